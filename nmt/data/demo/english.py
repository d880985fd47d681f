"""English inflection: a/an, plurals, the third person, auxiliaries with do-support, and cardinal words."""

from collections.abc import Mapping
from typing import Final, NamedTuple

_CONSONANT_U: Final = ("uni", "use", "euro")
_SILENT_H: Final = ("hour", "honest")


def indefinite(next_word: str) -> str:
    """ "a" or "an", by the sound the next word begins with: an apple, a university, an honest man."""
    word = next_word.lower()
    vowel = word.startswith(("a", "e", "i", "o", "u")) and not word.startswith(_CONSONANT_U)
    return "an" if vowel or word.startswith(_SILENT_H) else "a"


def plural(noun: str) -> str:
    """The regular plural; irregular ones (children, knives) are in the lexicon."""
    if noun.endswith(("s", "x", "ch", "sh", "ss")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


class EnglishVerb(NamedTuple):
    """A verb by its principal parts; `particle` follows it, or its pronoun object: turn off the lamp, turn it off."""

    base: str
    past: str
    participle: str
    particle: str

    @property
    def third(self) -> str:
        """The third person singular of the present."""
        if self.base == "have":
            return "has"
        if self.base.endswith(("s", "x", "ch", "sh", "o")):
            return self.base + "es"
        if self.base.endswith("y") and self.base[-2] not in "aeiou":
            return self.base[:-1] + "ies"
        return self.base + "s"


def regular(base: str) -> tuple[str, str]:
    """Past and participle of a regular verb: hoped, carried, waited."""
    if base.endswith("e"):
        form = base + "d"
    elif base.endswith("y") and base[-2] not in "aeiou":
        form = base[:-1] + "ied"
    else:
        form = base + "ed"
    return form, form


def be(tense: str, person: int, plural_subject: bool) -> str:
    """The finite forms of to be."""
    if tense == "past":
        return "were" if plural_subject or person == 2 else "was"
    return "are" if plural_subject or person == 2 else "am" if person == 1 else "is"


class VerbGroup(NamedTuple):
    """A verb in one tense for one subject.

    With an auxiliary, `bare` follows it ("will" + "buy"); without, `finite` stands alone ("buys") until a question or a
    negation asks for `support` ("does" + "buy").
    """

    auxiliary: str
    finite: str
    support: str
    bare: str


# English of the German modals: what follows "verb" decides whether it is an auxiliary or takes do-support.
_AUXILIARY_MODALS: Final[Mapping[str, tuple[str, str, str]]] = {
    "können": ("can", "could", ""),
    "sollen": ("should", "", ""),
    "möchten": ("would", "", "like to "),
}
_LEXICAL_MODALS: Final[Mapping[str, EnglishVerb]] = {
    "müssen": EnglishVerb("have", "had", "had", ""),
    "wollen": EnglishVerb("want", "wanted", "wanted", ""),
}


def verb_group(verb: EnglishVerb, *, tense: str, modal: str, person: int, plural_subject: bool) -> VerbGroup:
    """The verb in "present", "past", "future" or "pluperfect", below a German `modal` where one is named."""
    if modal in _AUXILIARY_MODALS:
        now, then, link = _AUXILIARY_MODALS[modal]
        return VerbGroup(then if tense == "past" else now, "", "", link + verb.base)
    if modal == "dürfen":
        return VerbGroup(be(tense, person, plural_subject), "", "", f"allowed to {verb.base}")
    if modal in _LEXICAL_MODALS:
        finite, support, bare = _lexical(_LEXICAL_MODALS[modal], tense, person, plural_subject)
        return VerbGroup("", f"{finite} to {verb.base}", support, f"{bare} to {verb.base}")
    if tense == "future":
        return VerbGroup("will", "", "", verb.base)
    if tense == "pluperfect":
        return VerbGroup("had", "", "", verb.participle)
    if verb.base == "be":
        return VerbGroup(be(tense, person, plural_subject), "", "", "")
    return VerbGroup("", *_lexical(verb, tense, person, plural_subject))


def _lexical(verb: EnglishVerb, tense: str, person: int, plural_subject: bool) -> tuple[str, str, str]:
    """Finite form, form of do, and bare form."""
    if tense == "past":
        return verb.past, "did", verb.base
    if person == 3 and not plural_subject:
        return verb.third, "does", verb.base
    return verb.base, "do", verb.base


_WORDS_TO_NINETEEN: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_WORDS_OF_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS: Final = _WORDS_TO_NINETEEN.split()
_TENS: Final = _WORDS_OF_TENS.split()


def cardinal(number: int) -> str:
    """The word for 0 to 999: twenty-one, three hundred and five."""
    if not 0 <= number <= 999:
        raise ValueError(f"cardinal words run from 0 to 999, not {number}")
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        return f"{_UNITS[hundreds]} hundred" + (f" and {cardinal(rest)}" if rest else "")
    if number < 20:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_UNITS[unit]}" if unit else "")
