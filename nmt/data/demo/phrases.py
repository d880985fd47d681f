"""Noun phrases in both languages at once: each object tells its German form by case and its English form by role."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from nmt.data.demo import english, german
from nmt.data.demo.adjectives import Adjective
from nmt.data.demo.german import ACCUSATIVE, DATIVE, GENITIVE, NOMINATIVE
from nmt.data.demo.nouns import Noun


class Pair(NamedTuple):
    """The same thing in German and in English."""

    german: str
    english: str


class Pronoun(NamedTuple):
    """A personal, interrogative or relative pronoun: forms in the order nominative, accusative, dative."""

    person: int
    plural: bool
    english_plural: bool
    marked: bool
    forms: tuple[str, str, str]
    english_forms: tuple[str, str]  # subject, object

    def german(self, case: str) -> str:
        return self.forms[(NOMINATIVE, ACCUSATIVE, DATIVE).index(case)]

    def english(self, case: str) -> str:
        return self.english_forms[case != NOMINATIVE]


def _pronoun(person: int, german_forms: str, english_forms: str, *, plural: bool = False) -> Pronoun:
    nominative, accusative, dative = german_forms.split()
    subject, object_ = english_forms.split()
    return Pronoun(
        person, plural, plural, nominative != accusative, (nominative, accusative, dative), (subject, object_)
    )


ME: Final = _pronoun(1, "ich mich mir", "I me")
YOU: Final = _pronoun(2, "du dich dir", "you you")
HE: Final = _pronoun(3, "er ihn ihm", "he him")
SHE: Final = _pronoun(3, "sie sie ihr", "she her")
IT: Final = _pronoun(3, "es es ihm", "it it")
WE: Final = _pronoun(1, "wir uns uns", "we us", plural=True)
THEY: Final = _pronoun(3, "sie sie ihnen", "they them", plural=True)
WHO: Final = _pronoun(3, "wer wen wem", "who whom")
THERE: Final = _pronoun(3, "es es es", "there there")


class Name(NamedTuple):
    """A person or a city by name; a title is declined (mit Herrn Tarbin), the name is not."""

    name: str
    title: str = ""  # "", "Herr" or "Frau"

    person: int = 3
    plural: bool = False
    english_plural: bool = False

    @property
    def marked(self) -> bool:
        return self.title == "Herr"

    def german(self, case: str) -> str:
        if not self.title:
            return self.name
        return f"{'Herrn' if self.title == 'Herr' and case != NOMINATIVE else self.title} {self.name}"

    def english(self, case: str) -> str:
        return f"{'Mr' if self.title == 'Herr' else 'Mrs'} {self.name}" if self.title else self.name


class Determiner(NamedTuple):
    """What opens a noun phrase: its German stem and declension, and what it is in English."""

    german: str  # stem, or "" for the definite article and for none
    kind: str  # "definite", "dies", "ein" or "none"
    singular: str
    plural: str

    def word(self, case: str, form: str) -> str:
        if self.kind == "definite":
            return german.DEFINITE[case][form]
        if self.kind == "dies":
            return self.german + german.DEMONSTRATIVE[case][form]
        if self.kind == "ein":
            return self.german + german.INDEFINITE[case][form]
        return ""

    def declension(self, plural: bool) -> str:
        """Which endings an adjective takes after it; viele and einige count as adjectives themselves."""
        if self.kind == "none" or self.german in ("viel", "einig", "wie viel"):
            return "strong"
        return "mixed" if self.kind == "ein" else "weak"


THE: Final = Determiner("", "definite", "the", "the")
A: Final = Determiner("ein", "ein", "a", "")
BARE: Final = Determiner("", "none", "", "")
THIS: Final = Determiner("dies", "dies", "this", "these")
EVERY: Final = Determiner("jed", "dies", "every", "")
WHICH: Final = Determiner("welch", "dies", "which", "which")
HOW_MANY: Final = Determiner("wie viel", "dies", "", "how many")
ALL: Final = Determiner("all", "dies", "", "all")
MANY: Final = Determiner("viel", "dies", "", "many")
SOME: Final = Determiner("einig", "dies", "", "some")
NO: Final = Determiner("kein", "ein", "no", "no")
NOT_A: Final = Determiner("kein", "ein", "a", "any")  # the English verb carries the negation
NOT_ANY: Final = Determiner("kein", "ein", "any", "any")
POSSESSIVES: Final = tuple(
    Determiner(stem, "ein", meaning, meaning)
    for stem, meaning in (("mein", "my"), ("dein", "your"), ("sein", "his"), ("ihr", "her"), ("unser", "our"))
)
# Those that can be negated by kein, and those that no negation may stand beside ("all children do not …").
INDEFINITE: Final = (A, BARE)
QUANTIFIED: Final = (EVERY, ALL, MANY, SOME, NO)


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """Determiner, number, adjectives and noun, with an owner in the genitive and a relative clause where asked for."""

    noun: Noun
    plural: bool
    determiner: Determiner
    adjectives: tuple[Adjective, ...] = ()
    number: int = 0  # 0 for none
    owner: "NounPhrase | None" = None
    relative: Pair | None = None

    person = 3

    @property
    def form(self) -> str:
        """Its column in the tables of endings."""
        return "p" if self.plural else self.noun.gender

    @property
    def english_plural(self) -> bool:
        return self.plural or self.noun.paired

    @property
    def marked(self) -> bool:
        return self.form == "m" and self.determiner.kind != "none"

    @property
    def countable_singular(self) -> bool:
        return not self.plural and self.noun.number != "mass"

    def german(self, case: str) -> str:
        """With its relative clause between commas; the caller joins commas."""
        words = [self.determiner.word(case, self.form)]
        if self.number:
            words.append(german.cardinal(self.number))
        declension = self.determiner.declension(self.plural)
        words.extend(german.adjective(entry.stem, declension, case, self.form) for entry in self.adjectives)
        words.append(self.noun.forms[case, self.plural])
        if self.owner:
            words.append(self.owner.german(GENITIVE))
        text = " ".join(filter(None, words))
        return f"{text}, {self.relative.german}," if self.relative else text

    def english(self, case: str) -> str:
        """The same whatever the case."""
        meaning = self.noun.english[self.english_plural]
        words = [english.cardinal(self.number)] if self.number else []
        words += [entry.english for entry in self.adjectives]
        words.append(meaning)
        opening = self.determiner.plural if self.english_plural else self.determiner.singular
        if opening == "a":
            opening = english.indefinite(words[0])
        if opening:
            words.insert(0, opening)
        if self.owner:
            words += ["of", self.owner.english(case)]
        if self.relative:
            words.append(self.relative.english)
        return " ".join(words)

    def negated(self) -> "NounPhrase":
        """ein Buch → kein Buch, whose English is "a book" below a negated verb."""
        return replace(self, determiner=NOT_A if self.countable_singular else NOT_ANY)

    def relative_pronoun(self, case: str) -> str:
        return german.RELATIVE[case][self.form]


class Both(NamedTuple):
    """Two third persons joined by und."""

    first: Name | NounPhrase
    second: Name | NounPhrase

    person: int = 3
    plural: bool = True
    english_plural: bool = True
    marked: bool = False

    def german(self, case: str) -> str:
        return f"{self.first.german(case)} und {self.second.german(case)}"

    def english(self, case: str) -> str:
        return f"{self.first.english(case)} and {self.second.english(case)}"


# Anything that can be a subject or an object: person and number for the verbs of both languages, whether German shows
# its nominative and accusative apart (`marked`), and its words by case.
Nominal: TypeAlias = Pronoun | Name | NounPhrase | Both


def after_preposition(preposition: str, nominal: Nominal, case: str) -> str:
    """Preposition and nominal, contracted where German contracts: in dem Garten → im Garten."""
    text = nominal.german(case)
    if isinstance(nominal, NounPhrase) and nominal.determiner is THE:
        article, _, rest = text.partition(" ")
        contracted: Mapping[tuple[str, str], str] = german.CONTRACTIONS
        if (preposition, article) in contracted:
            return f"{contracted[preposition, article]} {rest}"
    return f"{preposition} {text}"
