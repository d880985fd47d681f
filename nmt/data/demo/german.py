"""German inflection: articles, adjectives, nouns, verbs and cardinal words, from principal parts and endings.

Cases are "nominative", "accusative", "dative", "genitive"; a form class is "m", "f" or "n" in the singular and "p" in
the plural, which has no genders.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

NOMINATIVE: Final = "nominative"
ACCUSATIVE: Final = "accusative"
DATIVE: Final = "dative"
GENITIVE: Final = "genitive"


def _endings(nominative: str, accusative: str, dative: str, genitive: str) -> dict[str, dict[str, str]]:
    """Four rows "m f n p" of endings, with "-" for none, as a table by case and form class."""
    rows = {NOMINATIVE: nominative, ACCUSATIVE: accusative, DATIVE: dative, GENITIVE: genitive}
    return {
        case: dict(zip("mfnp", ("" if e == "-" else e for e in row.split()), strict=True)) for case, row in rows.items()
    }


DEFINITE: Final = _endings("der die das die", "den die das die", "dem der dem den", "des der des der")
RELATIVE: Final = _endings("der die das die", "den die das die", "dem der dem denen", "dessen deren dessen deren")
# Endings of dieser, jeder, welcher, alle, and of viele and einige.
DEMONSTRATIVE: Final = _endings("er e es e", "en e es e", "em er em en", "es er es er")
# Endings of ein, kein and the possessives.
INDEFINITE: Final = _endings("- e - e", "en e - e", "em er em en", "es er es er")

# Endings of an adjective after der (weak), after ein (mixed) and where nothing declined stands before it (strong).
ADJECTIVE: Final[Mapping[str, dict[str, dict[str, str]]]] = {
    "weak": _endings("e e e en", "en e e en", "en en en en", "en en en en"),
    "mixed": _endings("er e es en", "en e es en", "en en en en", "en en en en"),
    "strong": _endings("er e es e", "en e es e", "em er em en", "en er en er"),
}

CONTRACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("an", "das"): "ans",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("bei", "dem"): "beim",
}


def adjective(stem: str, declension: str, case: str, form: str) -> str:
    """An attributive adjective: `stem` is what endings are added to ("teur" of teuer)."""
    return stem + ADJECTIVE[declension][case][form]


def noun_forms(singular: str, plural: str, gender: str, *, weak: bool) -> dict[tuple[str, bool], str]:
    """All eight forms of a noun by (case, is plural); `weak` nouns take -(e)n in every case but the nominative."""
    forms = {(NOMINATIVE, False): singular, (ACCUSATIVE, False): singular, (DATIVE, False): singular}
    forms[GENITIVE, False] = singular if gender == "f" else _genitive(singular)
    if weak:
        oblique = singular + ("n" if singular.endswith(("e", "er", "ar")) else "en")
        forms.update({(case, False): oblique for case in (ACCUSATIVE, DATIVE, GENITIVE)})
    forms.update({(case, True): plural for case in (NOMINATIVE, ACCUSATIVE, GENITIVE)})
    forms[DATIVE, True] = plural if plural.endswith(("n", "s")) else plural + "n"
    return forms


def _genitive(singular: str) -> str:
    if singular.endswith("nis"):
        return singular + "ses"
    if singular == "Bus":
        return "Busses"
    if singular.endswith(("s", "ß", "z", "x", "sch", "st")):
        return singular + "es"
    vowels = sum(
        1
        for i, letter in enumerate(singular.lower())
        if letter in "aeiouäöüy" and (i == 0 or singular.lower()[i - 1] not in "aeiouäöüy")
    )
    return singular + ("es" if vowels == 1 and singular[-1] not in "aeiouäöü" else "s")


class GermanVerb(NamedTuple):
    """A verb by its principal parts; `prefix` is the part that separates ("an" of anrufen), empty for most."""

    prefix: str
    base: str  # infinitive without the prefix: rufen
    changed: str  # stem of the second and third person singular where its vowel changes: "lies" of lesen, else ""
    joined_participle: str  # angerufen
    auxiliary: str  # haben or sein
    preterite: str  # third person singular where the past is told in the preterite: "war", else "" for the perfect

    @property
    def infinitive(self) -> str:
        return self.prefix + self.base

    @property
    def zu_infinitive(self) -> str:
        """anzurufen, but zu rufen."""
        return f"{self.prefix}zu{self.base}" if self.prefix else f"zu {self.base}"


_IRREGULAR_PRESENT: Final[Mapping[str, str]] = {
    "sein": "bin bist ist sind sind",
    "haben": "habe hast hat haben haben",
    "werden": "werde wirst wird werden werden",
    "wissen": "weiß weißt weiß wissen wissen",
    "können": "kann kannst kann können können",
    "müssen": "muss musst muss müssen müssen",
    "wollen": "will willst will wollen wollen",
    "sollen": "soll sollst soll sollen sollen",
    "dürfen": "darf darfst darf dürfen dürfen",
    "mögen": "mag magst mag mögen mögen",
    "möchten": "möchte möchtest möchte möchten möchten",
}
_SLOTS: Final = {(1, False): 0, (2, False): 1, (3, False): 2, (1, True): 3, (3, True): 4}


def present(verb: GermanVerb, person: int, plural: bool) -> str:
    """The finite form without its separable prefix; the second person plural is not part of this grammar."""
    slot = _SLOTS[person, plural]
    if verb.base in _IRREGULAR_PRESENT:
        return _IRREGULAR_PRESENT[verb.base].split()[slot]
    if plural:
        return verb.base
    stem = verb_stem(verb.base)
    if person == 1:
        return (stem[:-2] + "l" if verb.base.endswith("eln") else stem) + "e"
    if verb.changed:
        stem, link = verb.changed, ""
    else:
        link = "e" if _needs_link(stem) else ""
    if person == 3:
        return stem if verb.changed and stem.endswith("t") else f"{stem}{link}t"
    return stem + ("t" if stem.endswith(("s", "ß", "z")) and not link else f"{link}st")


def past(verb: GermanVerb, person: int, plural: bool) -> str:
    """The preterite from its third person singular: sagte, sagtest; lag, lagst, lagen."""
    form = verb.preterite
    if not form:
        raise ValueError(f"{verb.infinitive} tells the past in the perfect and has no preterite here")
    if plural:
        return form + ("n" if form.endswith("e") else "en")
    if person != 2:
        return form
    return form + ("est" if form.endswith(("d", "t")) else "t" if form.endswith(("s", "ß")) else "st")


def verb_stem(infinitive: str) -> str:
    """kaufen: kauf, but wandern: wander and streicheln: streichel."""
    return infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]


def participle(base: str, strong: str, prefix: str) -> str:
    """The past participle: `strong` where it is irregular, else ge-…-t; ge- stands inside a separable verb."""
    if strong:
        return prefix + strong
    stem = verb_stem(base)
    unstressed = base.startswith(("be", "ver", "er", "ent", "ge", "zer", "über", "wieder")) and not base.startswith(
        "bell"
    )
    ge = "" if unstressed or base.endswith("ieren") else "ge"
    return f"{prefix}{ge}{stem}{'e' if _needs_link(stem) else ''}t"


def _needs_link(stem: str) -> bool:
    """An e before -t and -st: arbeitet, öffnet; not wohnt, lernt."""
    return stem.endswith(("d", "t")) or (stem.endswith(("n", "m")) and stem[-2] not in "aeiouäöürlhmn")


_WORDS_TO_NINETEEN: Final = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn"
)
_WORDS_OF_TENS: Final = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_UNITS: Final = _WORDS_TO_NINETEEN.split()
_TENS: Final = _WORDS_OF_TENS.split()


def cardinal(number: int) -> str:
    """The word for 0 to 999, units before tens: 21 is einundzwanzig."""
    if not 0 <= number <= 999:
        raise ValueError(f"cardinal words run from 0 to 999, not {number}")
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        return ("ein" if hundreds == 1 else _UNITS[hundreds]) + "hundert" + (cardinal(rest) if rest else "")
    if number < 20:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    before = "" if unit == 0 else ("ein" if unit == 1 else _UNITS[unit]) + "und"
    return before + _TENS[tens - 2]
