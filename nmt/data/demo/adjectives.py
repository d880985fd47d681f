"""The adjectives of the demo grammar, by the classes of nouns they go with, and the invariable words."""

from collections.abc import Mapping
from typing import Final, NamedTuple

# Under the classes they describe: german[/stem before endings] [comparative or "-"] english [english comparative].
# The same German word may mean another English one of another class: ein großer Mann, ein großes Haus.
_TABLE: Final = """
[person]
alt älter old older
jung jünger young younger
groß größer tall taller
klein kleiner small smaller
stark stärker strong stronger
schwach schwächer weak weaker
reich reicher rich richer
arm ärmer poor poorer
freundlich freundlicher friendly friendlier
klug klüger clever cleverer
müde/müd müder tired -
glücklich glücklicher happy happier
traurig trauriger sad sadder
krank - sick -
gesund gesünder healthy healthier
nett netter nice nicer
berühmt berühmter famous -
fleißig fleißiger hard-working -
faul fauler lazy lazier
höflich höflicher polite -
ehrlich ehrlicher honest -
mutig mutiger brave braver
ruhig ruhiger calm calmer
neugierig neugieriger curious -
wütend wütender angry angrier
[animal]
alt älter old older
jung jünger young younger
groß größer big bigger
klein kleiner small smaller
wild wilder wild wilder
schnell schneller fast faster
langsam langsamer slow slower
schwarz - black -
weiß - white -
braun - brown -
gefährlich gefährlicher dangerous -
hungrig hungriger hungry hungrier
[thing]
alt älter old older
neu neuer new newer
teuer/teur teurer expensive -
billig billiger cheap cheaper
schwer schwerer heavy heavier
leicht leichter light lighter
schön schöner beautiful -
hässlich hässlicher ugly uglier
groß größer big bigger
klein kleiner small smaller
nützlich nützlicher useful -
[thing clothing vehicle device furniture]
rot - red -
blau - blue -
grün - green -
gelb - yellow -
schwarz - black -
weiß - white -
grau - gray -
[clothing vehicle device furniture]
alt älter old older
neu neuer new newer
teuer/teur teurer expensive -
billig billiger cheap cheaper
schön schöner beautiful -
[clothing]
warm wärmer warm warmer
schmutzig schmutziger dirty dirtier
elegant eleganter elegant -
[container building room]
leer leerer empty emptier
voll voller full fuller
[vehicle]
schnell schneller fast faster
langsam langsamer slow slower
modern moderner modern -
[device furniture]
modern moderner modern -
praktisch praktischer practical -
[food drink]
frisch frischer fresh fresher
süß süßer sweet sweeter
lecker/lecker leckerer tasty tastier
warm wärmer warm warmer
kalt kälter cold colder
teuer/teur teurer expensive -
billig billiger cheap cheaper
[text show song]
interessant interessanter interesting -
langweilig langweiliger boring -
lang länger long longer
kurz kürzer short shorter
lustig lustiger funny funnier
spannend spannender exciting -
berühmt berühmter famous -
traurig trauriger sad sadder
[abstract]
wichtig wichtiger important -
schwierig schwieriger difficult -
einfach einfacher simple simpler
interessant interessanter interesting -
seltsam seltsamer strange stranger
gut besser good better
neu neuer new newer
[event]
lang länger long longer
kurz kürzer short shorter
wichtig wichtiger important -
schön schöner beautiful -
[building room]
alt älter old older
neu neuer new newer
modern moderner modern -
dunkel/dunkl dunkler dark darker
hell heller bright brighter
groß größer big bigger
klein kleiner small smaller
gemütlich gemütlicher cozy cozier
[outdoor]
schön schöner beautiful -
groß größer big bigger
klein kleiner small smaller
ruhig ruhiger quiet quieter
[plant]
schön schöner beautiful -
groß größer big bigger
rot - red -
gelb - yellow -
[opening]
groß größer big bigger
klein kleiner small smaller
grün - green -
alt älter old older
[cause]
stark stärker heavy heavier
plötzlich - sudden -
furchtbar - terrible -
"""


class Adjective(NamedTuple):
    """An adjective as one class of nouns has it."""

    german: str
    stem: str
    comparative: str  # "" where the grammar does not compare
    english: str
    english_comparative: str


def _parse(table: str) -> dict[str, tuple[Adjective, ...]]:
    by_class: dict[str, list[Adjective]] = {}
    classes: list[str] = []
    for line in filter(None, table.splitlines()):
        if line.startswith("["):
            classes = line.strip("[]").split()
            continue
        word, comparative, meaning, english_comparative = line.split()
        basic, _, stem = word.partition("/")
        entry = Adjective(
            basic,
            stem or basic,
            "" if comparative == "-" else comparative,
            meaning,
            f"more {meaning}" if english_comparative == "-" else english_comparative,
        )
        for name in classes:
            by_class.setdefault(name, []).append(entry)
    return {name: tuple(entries) for name, entries in by_class.items()}


BY_CLASS: Final[Mapping[str, tuple[Adjective, ...]]] = _parse(_TABLE)

COLORS: Final = frozenset(["rot", "blau", "grün", "gelb", "schwarz", "weiß", "grau", "braun"])
DEGREES: Final = (("sehr", "very"), ("zu", "too"), ("ziemlich", "rather"))

# Adverbs and phrases by what they do. Times come apart by tense, for German tells the future in the future here.
FREQUENCIES: Final = (
    ("immer", "always"),
    ("oft", "often"),
    ("nie", "never"),
    ("selten", "seldom"),
    ("manchmal", "sometimes"),
    ("meistens", "usually"),
)
TIMES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "present": (
        ("heute", "today"),
        ("jetzt", "now"),
        ("jeden Tag", "every day"),
        ("jede Woche", "every week"),
        ("jeden Morgen", "every morning"),
        ("am Abend", "in the evening"),
        ("im Sommer", "in summer"),
        ("im Winter", "in winter"),
        ("am Wochenende", "on the weekend"),
    ),
    "past": (
        ("gestern", "yesterday"),
        ("vorgestern", "the day before yesterday"),
        ("gestern Abend", "yesterday evening"),
        ("letzte Woche", "last week"),
        ("letztes Jahr", "last year"),
        ("damals", "back then"),
    ),
    "future": (
        ("morgen", "tomorrow"),
        ("übermorgen", "the day after tomorrow"),
        ("bald", "soon"),
        ("nächste Woche", "next week"),
        ("nächstes Jahr", "next year"),
        ("später", "later"),
    ),
}
DAYS: Final = (
    ("Montag", "Monday"),
    ("Dienstag", "Tuesday"),
    ("Mittwoch", "Wednesday"),
    ("Donnerstag", "Thursday"),
    ("Freitag", "Friday"),
    ("Samstag", "Saturday"),
    ("Sonntag", "Sunday"),
)
MONTHS: Final = (
    ("Januar", "January"),
    ("Februar", "February"),
    ("März", "March"),
    ("April", "April"),
    ("Mai", "May"),
    ("Juni", "June"),
    ("Juli", "July"),
    ("August", "August"),
    ("September", "September"),
    ("Oktober", "October"),
    ("November", "November"),
    ("Dezember", "December"),
)
UNITS_OF_TIME: Final = (("Tagen", "days"), ("Wochen", "weeks"), ("Monaten", "months"), ("Jahren", "years"))
OPINIONS: Final = (  # sentence adverbs, always first
    ("vielleicht", "perhaps"),
    ("leider", "unfortunately"),
    ("natürlich", "of course"),
    ("zum Glück", "fortunately"),
    ("deshalb", "therefore"),
    ("trotzdem", "nevertheless"),
)
MANNERS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "move": (("langsam", "slowly"), ("schnell", "quickly")),
    "act": (("vorsichtig", "carefully"), ("schnell", "quickly"), ("heimlich", "secretly")),
    "sound": (("laut", "loudly"), ("leise", "quietly")),
    "skill": (("gut", "well"), ("schlecht", "badly")),
}
