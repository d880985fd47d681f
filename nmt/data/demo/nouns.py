"""The nouns of the demo grammar: gender, plural, meaning and the classes that decide what may be done with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nmt.data.demo import english, german

# One noun a line under its classes: gender singular plural english [english plural, where irregular].
# "*" after the gender marks a weak noun (der Student, den Studenten), "-" a missing plural (what is not counted),
# "_" a space, "#" a further class. Nouns that German has in the plural only have "-" for their singular.
_TABLE: Final = """
[person]
m Mann Männer man men
f Frau Frauen woman women
n Kind Kinder child children
m* Junge Jungen boy
n Mädchen Mädchen girl
m Lehrer Lehrer teacher
m Arzt Ärzte doctor
m* Student Studenten student
m* Nachbar Nachbarn neighbor
m Freund Freunde friend
m Bruder Brüder brother
f Schwester Schwestern sister
m Vater Väter father
f Mutter Mütter mother
m Sohn Söhne son
f Tochter Töchter daughter
m Onkel Onkel uncle
f Tante Tanten aunt
m Großvater Großväter grandfather
f Großmutter Großmütter grandmother
m Koch Köche cook
m* Kollege Kollegen colleague
m* Polizist Polizisten police_officer
m Gast Gäste guest
m* Bauer Bauern farmer
m König Könige king
f Königin Königinnen queen
m Maler Maler painter
m Sänger Sänger singer
m Fahrer Fahrer driver
m Richter Richter judge
m* Kunde Kunden customer
f Krankenschwester Krankenschwestern nurse
m* Soldat Soldaten soldier
m Dichter Dichter poet
m Chef Chefs boss
m* Tourist Touristen tourist
m Bäcker Bäcker baker
m Gärtner Gärtner gardener
m - Leute person people
m - Eltern parent parents
[animal]
m Hund Hunde dog #dog
f Katze Katzen cat
n Pferd Pferde horse
m Vogel Vögel bird
f Kuh Kühe cow
m* Löwe Löwen lion
m* Bär Bären bear
f Maus Mäuse mouse mice
m* Elefant Elefanten elephant
f Ente Enten duck
m* Affe Affen monkey
m Esel Esel donkey
f Ziege Ziegen goat
[food]
m Apfel Äpfel apple
f Birne Birnen pear
m Kuchen Kuchen cake #baked
n Ei Eier egg #dish
f Kartoffel Kartoffeln potato potatoes #dish
f Tomate Tomaten tomato tomatoes #dish
f Suppe Suppen soup #dish
f Orange Orangen orange
f Banane Bananen banana
m Salat Salate salad
f Wurst Würste sausage #dish
m Keks Kekse biscuit #baked
f Erdbeere Erdbeeren strawberry
n Brot - bread #baked
m Käse - cheese
m Reis - rice #dish
n Fleisch - meat #dish
f Butter - butter
[drink]
f Milch - milk
n Wasser - water
m Kaffee - coffee
m Tee - tea
m Wein - wine
n Bier - beer
m Saft - juice
[text thing]
n Buch Bücher book
m Brief Briefe letter
f Zeitung Zeitungen newspaper
[text]
m Roman Romane novel
n Gedicht Gedichte poem #learnt
m Bericht Berichte report
f Geschichte Geschichten story #told
f Nachricht Nachrichten message
m Artikel Artikel article
[thing]
m Schlüssel Schlüssel key
m Ball Bälle ball
m Teller Teller plate
f Tasse Tassen cup
n Glas Gläser glass
f Flasche Flaschen bottle
n Messer Messer knife knives
n Geschenk Geschenke gift
m Ring Ringe ring
m Spiegel Spiegel mirror
m Regenschirm Regenschirme umbrella
n Bild Bilder picture
f Karte Karten card
m Stift Stifte pen
f Decke Decken blanket
f Kerze Kerzen candle
m Hammer Hämmer hammer
f Münze Münzen coin
f Uhr Uhren clock
[thing device]
f Lampe Lampen lamp
n Telefon Telefone telephone
m Computer Computer computer
f Kamera Kameras camera
n Radio Radios radio
m Fernseher Fernseher television
[device]
f Maschine Maschinen machine
f Heizung Heizungen heating_system
n Licht Lichter light
[thing instrument]
f Gitarre Gitarren guitar
n Klavier Klaviere piano
f Geige Geigen violin
[thing container]
f Tasche Taschen bag
m Koffer Koffer suitcase
m Korb Körbe basket
f Schachtel Schachteln box
[clothing]
n Hemd Hemden shirt
n Kleid Kleider dress
m Mantel Mäntel coat
m Hut Hüte hat
m Rock Röcke skirt
m Schuh Schuhe shoe
f Jacke Jacken jacket
m Pullover Pullover sweater
m Schal Schals scarf scarves
[clothing paired]
f Hose Hosen trousers trousers
f Brille Brillen glasses glasses
[vehicle]
n Auto Autos car
n Fahrrad Fahrräder bicycle
m Bus Busse bus
m Zug Züge train
n Schiff Schiffe ship
n Boot Boote boat
f Straßenbahn Straßenbahnen tram
n Motorrad Motorräder motorcycle
m Lastwagen Lastwagen lorry
[building in]
n Haus Häuser house
f Schule Schulen school
f Kirche Kirchen church
n Museum Museen museum
n Krankenhaus Krankenhäuser hospital
n Hotel Hotels hotel
n Restaurant Restaurants restaurant
n Theater Theater theater
n Büro Büros office
f Bibliothek Bibliotheken library
f Fabrik Fabriken factory
n Schloss Schlösser castle
f Wohnung Wohnungen apartment
m Laden Läden shop
n Café Cafés café
f Universität Universitäten university
n Kino Kinos cinema
[room in]
f Küche Küchen kitchen
n Zimmer Zimmer room
m Keller Keller cellar
[outdoor in]
m Garten Gärten garden
m Park Parks park
m Wald Wälder forest
f Stadt Städte town
n Dorf Dörfer village
n Tal Täler valley
m Hafen Häfen harbor
[outdoor at]
m Strand Strände beach
m See Seen lake
m Fluss Flüsse river
m Bahnhof Bahnhöfe station
[outdoor on]
f Straße Straßen street
m Platz Plätze square
f Brücke Brücken bridge
f Insel Inseln island
f Wiese Wiesen meadow
m Berg Berge mountain
[furniture]
m Tisch Tische table
m Stuhl Stühle chair
n Bett Betten bed
n Sofa Sofas sofa
n Regal Regale shelf shelves
m Schrank Schränke cupboard
m Teppich Teppiche carpet
m Schreibtisch Schreibtische desk
[opening]
f Tür Türen door
n Fenster Fenster window
n Tor Tore gate
[event]
n Konzert Konzerte concert
n Fest Feste party #celebrated
f Hochzeit Hochzeiten wedding #celebrated
n Spiel Spiele game #won
f Prüfung Prüfungen exam
f Reise Reisen journey
f Sitzung Sitzungen meeting
n Frühstück - breakfast
n Abendessen - dinner
[show]
m Film Filme film
[song]
n Lied Lieder song #learnt
[abstract]
f Frage Fragen question #had #repeated #asked
f Antwort Antworten answer #found #repeated #had
n Problem Probleme problem #had #riddle #explained
f Aufgabe Aufgaben task #riddle #explained
m Plan Pläne plan #had #explained
f Idee Ideen idea #had #explained #told
m Fehler Fehler mistake #found #explained
n Wort Wörter word #repeated #learnt #explained
f Regel Regeln rule #repeated #learnt #explained
f Wahrheit - truth #found #told
n Geheimnis Geheimnisse secret #had #told
f Sprache Sprachen language #learnt
[plant]
f Blume Blumen flower
m Baum Bäume tree
f Rose Rosen rose
f Pflanze Pflanzen plant
[money]
n Geld - money
[cause]
m Regen - rain
m Schnee - snow
m Sturm Stürme storm
f Hitze - heat
m Lärm - noise
m Nebel - fog
"""

COUNTED_ALWAYS: Final = frozenset({"event", "abstract"})  # a singular without plural here still takes an article


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun in both languages, itself its only equal; `classes` are those of its section of the table and its tags."""

    lemma: str
    gender: str
    forms: dict[tuple[str, bool], str]
    english: tuple[str, str]  # singular, plural
    classes: frozenset[str]
    number: str  # "both", "mass" (no plural, no indefinite article), "singular" (no plural) or "plural"

    @property
    def paired(self) -> bool:
        """One pair of trousers is a singular in German and a plural in English."""
        return "paired" in self.classes


def _parse(table: str) -> tuple[Noun, ...]:
    nouns: list[Noun] = []
    classes: frozenset[str] = frozenset()
    for line in filter(None, table.splitlines()):
        if line.startswith("["):
            classes = frozenset(line.strip("[]").split())
            continue
        line, *tags = line.replace("#", " #").split(" #")
        gender, singular, plural, meaning, *irregular = line.split()
        meaning = meaning.replace("_", " ")
        number = "plural" if singular == "-" else "both" if plural != "-" else "mass"
        if number == "mass" and classes & COUNTED_ALWAYS:
            number = "singular"
        if "paired" in classes:
            number = "singular"
        forms = german.noun_forms(
            plural if singular == "-" else singular, plural, gender.strip("*"), weak=gender.endswith("*")
        )
        english_plural = irregular[0] if irregular else english.plural(meaning)
        lemma = plural if singular == "-" else singular
        nouns.append(
            Noun(
                lemma,
                gender.strip("*"),
                forms,
                (meaning, english_plural),
                classes.union(t.strip() for t in tags),
                number,
            )
        )
    return tuple(nouns)


NOUNS: Final = _parse(_TABLE)
BY_LEMMA: Final[Mapping[str, Noun]] = {noun.lemma: noun for noun in NOUNS}
CLASSES: Final = tuple(dict.fromkeys(name for noun in NOUNS for name in sorted(noun.classes)))
BY_CLASS: Final[Mapping[str, tuple[Noun, ...]]] = {
    name: tuple(noun for noun in NOUNS if name in noun.classes) for name in CLASSES
}
