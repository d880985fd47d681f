"""The embedded corpus: inflection against tables written here by hand, clauses against golden ones, the splits."""

import os
import pickle
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise

import pytest

from nmt.data.demo import DEMO_LANGUAGES, SPLITS, adjectives, english, generate, german, nouns, verbs
from nmt.data.demo.clause import MODALS, Clause, Part, object_part
from nmt.data.demo.corpus import LONGEST, Sample, is_told
from nmt.data.demo.german import ACCUSATIVE, DATIVE, GENITIVE, NOMINATIVE
from nmt.data.demo.names import is_held_out
from nmt.data.demo.nominals import adjectives_of, nouns_of
from nmt.data.demo.phrases import (
    ALL,
    BARE,
    EVERY,
    HE,
    IT,
    MANY,
    ME,
    POSSESSIVES,
    SHE,
    THE,
    THEY,
    THIS,
    WHO,
    YOU,
    A,
    Determiner,
    Name,
    NounPhrase,
    Pair,
    after_preposition,
)
from nmt.data.demo.verbs import Verb
from nmt.data.demo.withheld import Combination, is_withheld
from nmt.errors import DataError

CASES = (NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE)
MY = POSSESSIVES[0]


ALL_SPLITS = tuple(SPLITS)
HELD_OUT = ("validation", "test", "test_long", "test_new")


@cache
def drawn_apart(splits: tuple[str, ...], seed: int = 1, hash_seed: int = 0) -> dict[str, list[Sample]]:
    """Samples drawn by another process: the tests' own checks every call's types, which takes minutes here."""
    program = (
        "import pickle, sys; from nmt.data.demo.corpus import samples; "
        f"pickle.dump({{s: list(samples(s, seed={seed})) for s in {splits!r}}}, sys.stdout.buffer)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    samples: dict[str, list[Sample]] = pickle.loads(run.stdout)
    return samples


def drawn(split: str) -> list[Sample]:
    return drawn_apart(ALL_SPLITS)[split]


def pairs(split: str) -> list[Pair]:
    return [sample.pair for sample in drawn(split)]


# --- inflection -------------------------------------------------------------------------------------------------


def phrase(
    word: str, determiner: Determiner = THE, *described: str, plural: bool = False, number: int = 0
) -> NounPhrase:
    noun = nouns.BY_LEMMA[word]
    known = {entry.german: entry for entries in adjectives.BY_CLASS.values() for entry in entries}
    of_noun = {entry.german: entry for entry in adjectives_of(noun)}
    chosen = tuple(of_noun.get(each) or known[each] for each in described)
    return NounPhrase(noun, plural, determiner, chosen, number)


# Nominative, accusative, dative and genitive of masculine, feminine, neuter and plural, from a school grammar.
DECLENSION = {
    THE: """
        der alte Bruder | den alten Bruder | dem alten Bruder | des alten Bruders
        die alte Tante | die alte Tante | der alten Tante | der alten Tante
        das alte Kind | das alte Kind | dem alten Kind | des alten Kindes
        die alten Kinder | die alten Kinder | den alten Kindern | der alten Kinder""",
    THIS: """
        dieser alte Bruder | diesen alten Bruder | diesem alten Bruder | dieses alten Bruders
        diese alte Tante | diese alte Tante | dieser alten Tante | dieser alten Tante
        dieses alte Kind | dieses alte Kind | diesem alten Kind | dieses alten Kindes
        diese alten Kinder | diese alten Kinder | diesen alten Kindern | dieser alten Kinder""",
    MY: """
        mein alter Bruder | meinen alten Bruder | meinem alten Bruder | meines alten Bruders
        meine alte Tante | meine alte Tante | meiner alten Tante | meiner alten Tante
        mein altes Kind | mein altes Kind | meinem alten Kind | meines alten Kindes
        meine alten Kinder | meine alten Kinder | meinen alten Kindern | meiner alten Kinder""",
    BARE: """
        alter Bruder | alten Bruder | altem Bruder | alten Bruders
        alte Tante | alte Tante | alter Tante | alter Tante
        altes Kind | altes Kind | altem Kind | alten Kindes
        alte Kinder | alte Kinder | alten Kindern | alter Kinder""",
}


@pytest.mark.parametrize("determiner", DECLENSION, ids=["definite", "demonstrative", "possessive", "none"])
def test_articles_adjectives_and_nouns_agree_in_every_cell_of_the_table(determiner: Determiner) -> None:
    rows = [[cell.strip() for cell in row.split("|")] for row in DECLENSION[determiner].strip().splitlines()]
    words = (("Bruder", False), ("Tante", False), ("Kind", False), ("Kind", True))
    ours = [[phrase(w, determiner, "alt", plural=p).german(case) for case in CASES] for w, p in words]
    assert ours == rows


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (phrase("Auto", A, "teuer").german(DATIVE), "einem teuren Auto"),
        (phrase("Kino", THE, "dunkel").german(NOMINATIVE), "das dunkle Kino"),
        (phrase("Kind", THE, "müde").german(ACCUSATIVE), "das müde Kind"),
        (phrase("Apfel", MANY, "rot", plural=True).german(NOMINATIVE), "viele rote Äpfel"),
        (phrase("Apfel", MANY, "rot", plural=True).german(DATIVE), "vielen roten Äpfeln"),
        (phrase("Apfel", ALL, "frisch", plural=True).german(NOMINATIVE), "alle frischen Äpfel"),
        (phrase("Apfel", BARE, "frisch", plural=True, number=21).german(DATIVE), "einundzwanzig frischen Äpfeln"),
        (phrase("Milch", BARE, "kalt").german(DATIVE), "kalter Milch"),
        (phrase("Wasser", BARE, "kalt").german(ACCUSATIVE), "kaltes Wasser"),
        (phrase("Hund", EVERY).german(ACCUSATIVE), "jeden Hund"),
        (phrase("Student", THE).german(ACCUSATIVE), "den Studenten"),
        (phrase("Nachbar", A).german(DATIVE), "einem Nachbarn"),
        (phrase("Junge", THE).german(GENITIVE), "des Jungen"),
        (phrase("Bus", THE).german(GENITIVE), "des Busses"),
        (phrase("Geheimnis", THE).german(GENITIVE), "des Geheimnisses"),
        (phrase("Auto", THE, plural=True).german(DATIVE), "den Autos"),
        (phrase("Garten", THE, plural=True).german(DATIVE), "den Gärten"),
        (Name("Tarbin", "Herr").german(DATIVE), "Herrn Tarbin"),
        (Name("Tarbin", "Frau").english(DATIVE), "Mrs Tarbin"),
        (phrase("Apfel", A).english(NOMINATIVE), "an apple"),
        (phrase("Universität", A).english(NOMINATIVE), "a university"),
        (phrase("Mann", A, "ehrlich").english(NOMINATIVE), "an honest man"),
        (phrase("Apfel", A, "rot").english(NOMINATIVE), "a red apple"),
        (phrase("Messer", THE, plural=True).english(NOMINATIVE), "the knives"),
        (phrase("Kind", BARE, plural=True, number=42).english(NOMINATIVE), "forty-two children"),
        (phrase("Mann", THE, "groß").english(NOMINATIVE), "the tall man"),
        (phrase("Haus", THE, "groß").english(NOMINATIVE), "the big house"),
        (phrase("Hose", MY).english(NOMINATIVE), "my trousers"),
    ],
)
def test_noun_phrases(ours: str, expected: str) -> None:
    assert ours == expected


def test_prepositions_contract_with_articles_and_only_with_them() -> None:
    expected = {
        ("in", "Garten", DATIVE): "im Garten",
        ("in", "Haus", ACCUSATIVE): "ins Haus",
        ("in", "Garten", ACCUSATIVE): "in den Garten",
        ("in", "Schule", DATIVE): "in der Schule",
        ("an", "Strand", DATIVE): "am Strand",
        ("zu", "Schule", DATIVE): "zur Schule",
        ("zu", "Haus", DATIVE): "zum Haus",
        ("auf", "Tisch", DATIVE): "auf dem Tisch",
        ("auf", "Tisch", ACCUSATIVE): "auf den Tisch",
        ("von", "Hund", DATIVE): "vom Hund",
    }
    assert {key: after_preposition(key[0], phrase(key[1]), key[2]) for key in expected} == expected
    assert after_preposition("in", phrase("Garten", THIS), DATIVE) == "in diesem Garten"
    assert after_preposition("in", phrase("Garten", THE, "schön"), DATIVE) == "im schönen Garten"


# Infinitive: ich, du, er, wir, participle with its auxiliary, zu-infinitive.
CONJUGATION = """
kaufen: kaufe kaufst kauft kaufen | hat gekauft | zu kaufen
arbeiten: arbeite arbeitest arbeitet arbeiten | hat gearbeitet | zu arbeiten
lesen: lese liest liest lesen | hat gelesen | zu lesen
geben: gebe gibst gibt geben | hat gegeben | zu geben
nehmen: nehme nimmst nimmt nehmen | hat genommen | zu nehmen
laufen: laufe läufst läuft laufen | ist gelaufen | zu laufen
reisen: reise reist reist reisen | ist gereist | zu reisen
spielen: spiele spielst spielt spielen | hat gespielt | zu spielen
füttern: füttere fütterst füttert füttern | hat gefüttert | zu füttern
streicheln: streichle streichelst streichelt streicheln | hat gestreichelt | zu streicheln
finden: finde findest findet finden | hat gefunden | zu finden
wachsen: wachse wächst wächst wachsen | ist gewachsen | zu wachsen
vergessen: vergesse vergisst vergisst vergessen | hat vergessen | zu vergessen
reparieren: repariere reparierst repariert reparieren | hat repariert | zu reparieren
verkaufen: verkaufe verkaufst verkauft verkaufen | hat verkauft | zu verkaufen
übersetzen: übersetze übersetzt übersetzt übersetzen | hat übersetzt | zu übersetzen
bellen: belle bellst bellt bellen | hat gebellt | zu bellen
einladen: lade lädst lädt laden | hat eingeladen | einzuladen
anrufen: rufe rufst ruft rufen | hat angerufen | anzurufen
aufstehen: stehe stehst steht stehen | ist aufgestanden | aufzustehen
ausschalten: schalte schaltest schaltet schalten | hat ausgeschaltet | auszuschalten
vorbereiten: bereite bereitest bereitet bereiten | hat vorbereitet | vorzubereiten
teilnehmen: nehme nimmst nimmt nehmen | hat teilgenommen | teilzunehmen
einkaufen: kaufe kaufst kauft kaufen | hat eingekauft | einzukaufen
"""


def verb(name: str, meaning: str = "") -> Verb:
    return next(v for v in verbs.VERBS if v.name == name and meaning in ("", v.english.base))


def test_verbs_conjugate_as_in_a_table_of_verbs() -> None:
    for line in CONJUGATION.strip().splitlines():
        name, _, rest = line.partition(": ")
        finite, perfect, infinitive = (part.strip() for part in rest.split("|"))
        parts = verb(name).german
        ours = [german.present(parts, *who) for who in ((1, False), (2, False), (3, False), (1, True))]
        assert ours == finite.split(), name
        auxiliary = "ist" if parts.auxiliary == "sein" else "hat"
        assert f"{auxiliary} {parts.joined_participle}" == perfect
        assert parts.zu_infinitive == infinitive


def test_preterite_and_modals() -> None:
    def forms(parts: german.GermanVerb) -> str:
        return " ".join(german.past(parts, *who) for who in ((1, False), (2, False), (3, False), (3, True)))

    assert forms(verbs.BE.german) == "war warst war waren"
    assert forms(verbs.HAVE.german) == "hatte hattest hatte hatten"
    assert forms(verb("stehen").german) == "stand standest stand standen"
    assert forms(MODALS["können"]) == "konnte konntest konnte konnten"
    assert forms(verbs.EXIST.german) == "gab gabst gab gaben"
    assert [german.present(MODALS["müssen"], p, False) for p in (1, 2, 3)] == ["muss", "musst", "muss"]
    with pytest.raises(ValueError, match="no preterite"):
        german.past(verb("kaufen").german, 3, False)


def test_english_verbs() -> None:
    third = {"buy": "buys", "watch": "watches", "tidy": "tidies", "play": "plays", "go": "goes", "have": "has"}
    assert {base: english.EnglishVerb(base, "", "", "").third for base in third} == third
    assert [english.regular(base)[0] for base in ("hope", "tidy", "play", "wait")] == [
        "hoped",
        "tidied",
        "played",
        "waited",
    ]
    assert [english.plural(noun) for noun in ("box", "party", "boy", "church", "bus")] == [
        "boxes",
        "parties",
        "boys",
        "churches",
        "buses",
    ]


def test_number_words() -> None:
    golden = {
        0: ("null", "zero"),
        1: ("eins", "one"),
        12: ("zwölf", "twelve"),
        16: ("sechzehn", "sixteen"),
        17: ("siebzehn", "seventeen"),
        21: ("einundzwanzig", "twenty-one"),
        30: ("dreißig", "thirty"),
        66: ("sechsundsechzig", "sixty-six"),
        77: ("siebenundsiebzig", "seventy-seven"),
        100: ("einhundert", "one hundred"),
        101: ("einhunderteins", "one hundred and one"),
        342: ("dreihundertzweiundvierzig", "three hundred and forty-two"),
        999: ("neunhundertneunundneunzig", "nine hundred and ninety-nine"),
    }
    assert {n: (german.cardinal(n), english.cardinal(n)) for n in golden} == golden
    assert len({german.cardinal(n) for n in range(1000)}) == len({english.cardinal(n) for n in range(1000)}) == 1000
    for number in range(1000):
        assert _read_german(german.cardinal(number)) == _read_english(english.cardinal(number)) == number
    for cardinal in (german.cardinal, english.cardinal):
        with pytest.raises(ValueError, match="1000"):
            cardinal(1000)


_SMALL = ["null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
_TEEN = {"sech": 6, "sieb": 7, **{word: value for value, word in enumerate(_SMALL)}}


def _read_german(word: str) -> int:
    """The value of a number word, by taking it apart."""
    if "hundert" in word:
        before, after = word.split("hundert")
        return 100 * _SMALL.index(before) + (_read_german(after) if after else 0)
    if tens := re.fullmatch(r"(?:(\w+?)und)?(zwan|drei|vier|fünf|sech|sieb|acht|neun)[zß]ig", word):
        ten = 2 if tens[2] == "zwan" else _TEEN[tens[2]]
        return 10 * ten + (_SMALL.index(tens[1]) if tens[1] else 0)
    if word.endswith("zehn") and word != "zehn":
        return 10 + _TEEN[word.removesuffix("zehn")]
    return 1 if word == "eins" else _SMALL.index(word)


def _read_english(words: str) -> int:
    values = {
        word: value
        for value, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    }
    values |= {"ten": 10, "eleven": 11, "twelve": 12, "hundred": -1, "and": 0}
    for word, value in {"thir": 3, "four": 4, "fif": 5, "six": 6, "seven": 7, "eigh": 8, "nine": 9}.items():
        values |= {f"{word}teen": 10 + value, f"{word}ty": 10 * value}
    values |= {"twenty": 20, "forty": 40}
    total = 0
    for word in re.split(r"[ -]", words):
        total = total * 100 if word == "hundred" else total + values[word]
    return total


# --- clauses ----------------------------------------------------------------------------------------------------

HEUTE = Part("time", "heute", "today")
GESTERN = Part("time", "gestern", "yesterday")
BOOK, MAN, WOMAN = phrase("Buch"), phrase("Mann"), phrase("Frau")


def clause(
    subject: object, name: str, *parts: Part, tense: str = "present", modal: str = "", negated: bool = False
) -> Clause:
    return Clause(subject, verb(name), tense, modal, negated, True, list(parts))


def accusative(nominal: object, preposition: str = "") -> Part:
    return object_part(nominal, ACCUSATIVE, preposition)


def dative(nominal: object) -> Part:
    return object_part(nominal, DATIVE, "to")


READS = clause(MAN, "lesen", accusative(BOOK), HEUTE)
CALLED = clause(WOMAN, "anrufen", accusative(MAN), GESTERN, tense="past")
LAMP = accusative(phrase("Lampe"))
GIVES = clause(MAN, "geben", dative(phrase("Kind")), accusative(BOOK))


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (
            Pair(READS.german("second"), READS.english("statement")),
            "der Mann liest heute das Buch | the man reads the book today",
        ),
        (
            Pair(READS.german("second", front="time"), READS.english("statement", front="time")),
            "heute liest der Mann das Buch | today the man reads the book",
        ),
        (
            Pair(READS.german("second", front=ACCUSATIVE), READS.english("statement")),
            "das Buch liest der Mann heute | the man reads the book today",
        ),
        (
            Pair(READS.german("first"), READS.english("question")),
            "liest der Mann heute das Buch | does the man read the book today",
        ),
        (
            Pair(READS.german("last", lead="weil"), READS.english("statement", lead="because")),
            "weil der Mann heute das Buch liest | because the man reads the book today",
        ),
        (
            Pair(CALLED.german("second"), CALLED.english("statement")),
            "die Frau hat gestern den Mann angerufen | the woman called the man yesterday",
        ),
        (
            Pair(CALLED.german("last", lead="dass"), CALLED.english("question", lead="when")),
            "dass die Frau gestern den Mann angerufen hat | when did the woman call the man yesterday",
        ),
        (
            Pair(GIVES.german("second"), GIVES.english("statement")),
            "der Mann gibt dem Kind das Buch | the man gives the book to the child",
        ),
    ],
)
def test_word_order(ours: Pair, expected: str) -> None:
    assert " | ".join(ours) == expected


def _both(
    subject: object,
    name: str,
    *parts: Part,
    order: str = "second",
    tense: str = "present",
    modal: str = "",
    negated: bool = False,
) -> str:
    built = clause(subject, name, *parts, tense=tense, modal=modal, negated=negated)
    if order == "infinitive":
        return f"{built.german(order)} | {built.english(order)}"
    return f"{built.german(order)} | {built.english('question' if order == 'first' else 'statement')}"


def test_separable_verbs_in_all_their_forms() -> None:
    assert _both(SHE, "ausschalten", LAMP) == "sie schaltet die Lampe aus | she turns off the lamp"
    assert _both(SHE, "ausschalten", LAMP, order="last") == "sie die Lampe ausschaltet | she turns off the lamp"
    assert _both(SHE, "ausschalten", LAMP, tense="past") == "sie hat die Lampe ausgeschaltet | she turned off the lamp"
    assert _both(SHE, "ausschalten", LAMP, order="infinitive") == "die Lampe auszuschalten | to turn off the lamp"
    assert (
        _both(SHE, "ausschalten", LAMP, modal="wollen")
        == "sie will die Lampe ausschalten | she wants to turn off the lamp"
    )
    assert _both(SHE, "ausschalten", accusative(IT)) == "sie schaltet es aus | she turns it off"


def test_modals_and_the_future() -> None:
    sleep = (ME, "schlafen")
    assert _both(*sleep, modal="können") == "ich kann schlafen | I can sleep"
    assert _both(*sleep, modal="können", negated=True) == "ich kann nicht schlafen | I cannot sleep"
    assert _both(*sleep, modal="können", tense="past", order="first") == "konnte ich schlafen | could I sleep"
    assert _both(*sleep, modal="müssen", negated=True) == "ich muss nicht schlafen | I do not have to sleep"
    assert _both(HE, "schlafen", modal="müssen") == "er muss schlafen | he has to sleep"
    assert (
        _both(HE, "schlafen", modal="müssen", tense="past", order="first")
        == "musste er schlafen | did he have to sleep"
    )
    assert _both(YOU, "schlafen", modal="dürfen", order="first") == "darfst du schlafen | are you allowed to sleep"
    assert _both(HE, "schlafen", modal="möchten", order="last") == "er schlafen möchte | he would like to sleep"
    assert _both(HE, "schlafen", modal="sollen", negated=True) == "er soll nicht schlafen | he should not sleep"
    assert _both(THEY, "schlafen", tense="future") == "sie werden schlafen | they will sleep"
    assert _both(HE, "schlafen", tense="future", order="last") == "er schlafen wird | he will sleep"


def test_perfect_with_haben_and_sein_and_the_pluperfect() -> None:
    home = Part("goal", "nach Kelberg", "to Kelberg")
    assert _both(ME, "fliegen", home, tense="past") == "ich bin nach Kelberg geflogen | I flew to Kelberg"
    assert _both(SHE, "schlafen", tense="past") == "sie hat geschlafen | she slept"
    assert _both(SHE, "schlafen", tense="pluperfect", order="last") == "sie geschlafen hatte | she had slept"
    assert _both(THEY, "fliegen", home, tense="pluperfect", order="last") == (
        "sie nach Kelberg geflogen waren | they had flown to Kelberg"
    )
    assert _both(HE, "kennen", accusative(MAN), tense="past") == "er kannte den Mann | he knew the man"


def test_negation_stands_after_objects_and_before_everything_local() -> None:
    garden = Part("place", "im Garten", "in the garden")
    assert _both(HE, "lesen", accusative(BOOK), HEUTE, negated=True) == (
        "er liest heute das Buch nicht | he does not read the book today"
    )
    assert _both(HE, "lesen", accusative(BOOK), garden, tense="past", negated=True) == (
        "er hat das Buch nicht im Garten gelesen | he did not read the book in the garden"
    )
    assert (
        _both(HE, "anrufen", accusative(ME), negated=True, order="last") == "er mich nicht anruft | he does not call me"
    )
    denied = clause(HE, "lesen", accusative(phrase("Buch", A, "neu").negated()), negated=True)
    denied.nicht = False
    assert denied.german("second") == "er liest kein neues Buch"
    assert denied.english("statement") == "he does not read a new book"
    assert phrase("Buch", BARE, plural=True).negated().english(ACCUSATIVE) == "any books"
    assert phrase("Milch", BARE).negated().german(ACCUSATIVE) == "keine Milch"


def test_pronouns_go_first_and_the_accusative_before_the_dative() -> None:
    assert _both(HE, "geben", dative(phrase("Kind")), accusative(IT), HEUTE) == (
        "er gibt es heute dem Kind | he gives it to the child today"
    )
    assert _both(HE, "geben", dative(SHE), accusative(IT)) == "er gibt es ihr | he gives it to her"
    assert _both(WHO, "geben", dative(THEY), accusative(BOOK)) == "wer gibt ihnen das Buch | who gives the book to them"


def test_relative_clauses_stand_between_commas_and_wait_for_the_end_of_a_clause() -> None:
    relative = Pair("den ich kenne", "whom I know")
    subject = NounPhrase(nouns.BY_LEMMA["Mann"], False, THE, relative=relative)
    assert _both(subject, "schlafen") == "der Mann, den ich kenne, schläft | the man whom I know sleeps"
    built = clause(HE, "anrufen", accusative(MAN), tense="past")
    built.relative = relative
    assert built.german("second") == "er hat den Mann angerufen, den ich kenne,"
    assert built.english("statement") == "he called the man whom I know"
    assert [phrase("Mann").relative_pronoun(case) for case in CASES[:3]] == ["der", "den", "dem"]
    assert phrase("Kind", plural=True).relative_pronoun(DATIVE) == "denen"


# --- the lexicon ------------------------------------------------------------------------------------------------


def test_the_lexicon_has_some_hundred_lemmas_and_one_meaning_each() -> None:
    described = {entry.german for entries in adjectives.BY_CLASS.values() for entry in entries}
    lemmas = {noun.lemma for noun in nouns.NOUNS} | {v.name for v in verbs.VERBS} | described
    assert 400 <= len(lemmas) <= 700
    assert len({noun.lemma for noun in nouns.NOUNS}) == len(nouns.NOUNS)
    assert len({noun.english[0] for noun in nouns.NOUNS}) == len(nouns.NOUNS)
    for noun in nouns.NOUNS:
        assert len({entry.english for entry in adjectives_of(noun)}) == len(adjectives_of(noun)), noun.lemma


def test_every_noun_keeps_an_adjective_that_training_may_show() -> None:
    for noun in nouns.NOUNS:
        options = [entry.german for entry in adjectives_of(noun)]
        shown = [word for word in options if not is_withheld(Combination("adjective", word, noun.lemma))]
        assert shown or not options, noun.lemma


def test_every_verb_keeps_an_object_that_training_may_show() -> None:
    for entry in verbs.VERBS:
        for wanted in entry.objects:
            shown = [n for n in nouns_of(wanted.classes) if not is_withheld(Combination("object", entry.name, n.lemma))]
            assert shown, f"{entry.name} has no object left in training"


def test_a_verb_of_two_meanings_always_shows_its_object() -> None:
    meanings: dict[str, set[str]] = {}
    for entry in verbs.VERBS:
        if entry.object(ACCUSATIVE):
            meanings.setdefault(entry.name, set()).add(entry.english.base)
    assert {name for name, found in meanings.items() if len(found) > 1} == verbs.TWO_MEANINGS == {"tragen"}
    vague = re.compile(r"\b(?:[Ww]as|es) (?:[^,]* )?(?:trage|trägst|trägt|tragen|getragen)\b")
    assert [pair for split in SPLITS for pair in pairs(split) if vague.search(pair.german)] == []


# --- the splits -------------------------------------------------------------------------------------------------


def test_sizes_and_distinct_pairs() -> None:
    assert DEMO_LANGUAGES == ("de", "en")
    assert SPLITS == {"train": 20_000, "validation": 500, "test": 1_000, "test_long": 500, "test_new": 500}
    for split, size in SPLITS.items():
        assert len(pairs(split)) == len({pair.german for pair in pairs(split)}) == size
    words = [len(pair.german.split()) for pair in pairs("train")]
    assert 6 <= sum(words) / len(words) <= 14


def test_no_german_sentence_has_two_translations() -> None:
    translations: dict[str, str] = {}
    for each in (drawn_apart(ALL_SPLITS), drawn_apart(HELD_OUT, seed=2)):
        for split in each:
            for source, target in (sample.pair for sample in each[split]):
                assert translations.setdefault(source, target) == target, source


def test_held_out_sets_share_no_sentence_with_training_on_either_side() -> None:
    sources, targets = ({pair[side] for pair in pairs("train")} for side in (0, 1))
    for split in HELD_OUT:
        assert sources.isdisjoint(pair.german for pair in pairs(split)), split
        assert targets.isdisjoint(pair.english for pair in pairs(split)), split
    ordinary = {pair.german for pair in pairs("test")}
    assert ordinary.isdisjoint(pair.german for pair in pairs("validation"))


def test_names_are_copied_and_those_held_out_never_trained_on() -> None:
    trained = {name for sample in drawn("train") for name in sample.names}
    for split in SPLITS:
        for sample in drawn(split):
            for name in sample.names:
                assert is_held_out(name) == (split != "train")
                assert (name in sample.pair.german) == (name in sample.pair.english)
    for split in HELD_OUT:
        named = [sample for sample in drawn(split) if any(name in sample.pair.german for name in sample.names)]
        assert len(named) > len(drawn(split)) / 8
        assert trained.isdisjoint(name for sample in named for name in sample.names)
    training_words = {word.strip(".,?") for pair in pairs("train") for word in pair.german.split()}
    assert training_words.isdisjoint(name for sample in drawn("test") for name in sample.names)
    assert trained.isdisjoint(nouns.BY_LEMMA)


def test_every_long_sentence_is_longer_than_every_training_sentence() -> None:
    for side in (0, 1):
        longest = max(len(pair[side].split()) for pair in pairs("train"))
        assert longest <= LONGEST < min(len(pair[side].split()) for pair in pairs("test_long"))


def test_new_combinations_are_new_though_their_parts_are_not() -> None:
    shown = {combination for sample in drawn("train") for combination in sample.combinations}
    left = {(kind, one) for kind, one, _ in shown}
    right = {(kind, other) for kind, _, other in shown}
    words = {word for pair in pairs("train") for word in re.findall(r"\w+", pair.german)}
    kinds = set()
    for sample in drawn("test_new"):
        new = [c for c in sample.combinations if is_withheld(c) and is_told(c, sample.pair.german)]
        assert new, sample.pair
        assert shown.isdisjoint(new)
        for kind, one, other in new:
            kinds.add(kind)
            if kind == "relative":  # the verb occurs, and other verbs in relative clauses
                assert (
                    german.present(verb(one).german, 3, False) in words or verb(one).german.joined_participle in words
                )
                assert (kind, other) in right
            else:
                assert (kind, one) in left, (kind, one, other)
                known = other in nouns.BY_LEMMA and not words.isdisjoint(nouns.BY_LEMMA[other].forms.values())
                assert known or (kind, other) in right, (kind, one, other)
    assert kinds == {"adjective", "object", "modal", "relative"}
    for split in ("validation", "test", "test_long"):
        assert not any(is_withheld(c) for sample in drawn(split) for c in sample.combinations), split


def test_withheld_adjectives_never_stand_before_their_nouns_in_training_text() -> None:
    neighbors = {bigram for pair in pairs("train") for bigram in pairwise(re.findall(r"\w+", pair.german.lower()))}
    new = {c for sample in drawn("test_new") for c in sample.combinations if c.kind == "adjective" and is_withheld(c)}
    assert len(new) > 30
    stems = {entry.german: entry.stem for entries in adjectives.BY_CLASS.values() for entry in entries}
    for combination in new:
        for form in nouns.BY_LEMMA[combination.right].forms.values():
            for ending in ("e", "er", "es", "en", "em"):
                assert (stems[combination.left] + ending, form.lower()) not in neighbors, combination


def test_generation_depends_on_the_seed_and_on_nothing_else() -> None:
    again = drawn_apart(HELD_OUT, hash_seed=4711)
    assert again == {split: drawn(split) for split in HELD_OUT}
    assert generate("test_long") == [tuple(pair) for pair in pairs("test_long")]
    other = drawn_apart(HELD_OUT, seed=2)
    assert all(other[split] != drawn(split) for split in HELD_OUT)


def test_the_grammar_needs_neither_torch_nor_datasets() -> None:
    program = "import sys, nmt.data.demo; print([m for m in ('torch', 'datasets', 'numpy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_unknown_split_is_told_with_those_there_are() -> None:
    with pytest.raises(DataError, match="'tests'.*train, validation, test, test_long, test_new"):
        generate("tests")


# --- what holds for every sentence ------------------------------------------------------------------------------


def _finite_forms() -> set[str]:
    """Every finite form of the grammar, joined with its separable prefix and without."""
    found: set[str] = set()
    entries = [
        *verbs.VERBS,
        *verbs.THAT,
        *verbs.WHETHER,
        *verbs.TO,
        *verbs.RAIN,
        verbs.BE,
        verbs.HAVE,
        verbs.EXIST,
        verbs.COST,
    ]
    parts = (
        [entry.german for entry in entries] + list(MODALS.values()) + [german.GermanVerb("", "werden", "", "", "", "")]
    )
    for each in parts:
        for who in ((1, False), (2, False), (3, False), (1, True)):
            forms = [german.present(each, *who)] + ([german.past(each, *who)] if each.preterite else [])
            found.update(form for finite in forms for form in (finite, each.prefix + finite))
    return found


FINITE = _finite_forms()
AUXILIARIES = frozenset(
    ("Do", "Does", "Did", "Is", "Are", "Am", "Was", "Were", "Will", "Can", "Could", "Should", "Would")
)


def test_yes_no_questions_open_with_a_finite_verb_and_in_english_with_an_auxiliary() -> None:
    asked = [
        p
        for p in pairs("train")
        if p.german.endswith("?") and not re.match(r"W[eaioä]|Mit|Auf|An|Von|Über|In", p.german)
    ]
    assert len(asked) > 500
    for source, target in asked:
        assert source.split()[0].lower() in FINITE, source
        assert target.split()[0] in AUXILIARIES, target


def test_the_finite_verb_is_second_after_an_adverb() -> None:
    opened = [
        p.german.split()
        for p in pairs("train")
        if re.match(r"(Heute|Vielleicht|Leider|Natürlich|Bald|Jetzt|Deshalb) ", p.german)
    ]
    assert len(opened) > 150
    assert [words for words in opened if words[1] not in FINITE] == []


def test_subordinate_clauses_end_with_their_finite_verb() -> None:
    pattern = re.compile(r"\b(?:weil|obwohl|dass|ob|nachdem|bevor|sobald|damit|wenn) [^,.?]*?(\w+)\.$")
    ends = [(found[1], pair.german) for pair in pairs("train") if (found := pattern.search(pair.german))]
    assert len(ends) > 1000
    assert [end for end in ends if end[0] not in FINITE] == []


@pytest.mark.parametrize("split", SPLITS)
def test_surface_form(split: str) -> None:
    for source, target in pairs(split):
        for text in (source, target):
            assert text == " ".join(text.split())
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert not re.search(r",[,.?]| ,|,\S", text), text
        assert source[-1] == target[-1]
        assert not re.search(r"\b[Aa] (?!uni|use)[aeiou]|\b[Aa]n (?!hour|honest)[^aeiou]", target), target
        assert not re.search(r"(?<!, )\b(in|an|von|bei|zu) dem [A-ZÄÖÜ]|(?<!, )\b(in|an) das [A-ZÄÖÜ]", source), source
        assert not re.search(r"\b(does|do|did) not (?!need\b|feed\b)\w+ed\b", target), target
