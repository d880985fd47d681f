"""Draws subjects, objects and adverbials at random, keeping away from (or noting) withheld combinations."""

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final, TypeVar

from nmt.data.demo import adjectives, names, nouns
from nmt.data.demo.adjectives import Adjective
from nmt.data.demo.german import ACCUSATIVE, DATIVE
from nmt.data.demo.nouns import Noun
from nmt.data.demo.phrases import (
    ALL,
    BARE,
    EVERY,
    HE,
    IT,
    MANY,
    ME,
    NO,
    POSSESSIVES,
    SHE,
    SOME,
    THE,
    THEY,
    THIS,
    WE,
    YOU,
    A,
    Both,
    Determiner,
    Name,
    Nominal,
    NounPhrase,
    Pronoun,
)
from nmt.data.demo.verbs import TWO_MEANINGS
from nmt.data.demo.withheld import Combination, is_withheld

Option = TypeVar("Option")

# Determiners by kind of noun, as often as they are to be drawn; None stands for a possessive.
_COUNTED: Final = (THE,) * 8 + (A,) * 6 + (None,) * 4 + (THIS,) * 2 + (EVERY,)
_PLURAL: Final = (THE,) * 6 + (BARE,) * 9 + (None,) * 3 + (THIS,) * 2 + (MANY, MANY, SOME, SOME, ALL)
_MASS: Final = (BARE,) * 5 + (THE,) * 5 + (None,) * 2 + (THIS,)
_SINGULAR: Final = (THE,) * 5 + (None,) * 3 + (THIS,)


@cache
def nouns_of(classes: tuple[str, ...]) -> tuple[Noun, ...]:
    """Every noun of any of the classes, once."""
    return tuple(dict.fromkeys(noun for name in classes for noun in _members(name)))


def _members(name: str) -> tuple[Noun, ...]:
    return nouns.BY_CLASS[name]


@cache
def adjectives_of(noun: Noun) -> tuple[Adjective, ...]:
    """Every adjective that goes with a noun, once."""
    found: dict[str, Adjective] = {}
    for name in sorted(noun.classes):
        for entry in adjectives.BY_CLASS.get(name, ()):
            found.setdefault(entry.german, entry)
    return tuple(found.values())


class Nominals:
    """Random noun phrases, pronouns, names and adverbials.

    With `withhold`, withheld combinations are never drawn; without, they are, and `met` collects them all.
    """

    def __init__(self, random: Random, *, held_out_names: bool, withhold: bool) -> None:
        self.random = random
        self.held_out_names = held_out_names
        self.withhold = withhold
        self.met: list[Combination] = []
        self.names: list[str] = []

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def choice(self, options: Sequence[Option]) -> Option:
        return options[int(self.random.random() * len(options))]

    def combine(self, kind: str, left: str, right: str) -> bool:
        """Note a combination; False where it must not be used."""
        combination = Combination(kind, left, right)
        if self.withhold and is_withheld(combination):
            return False
        self.met.append(combination)
        return True

    def mark(self) -> tuple[int, int]:
        """Where the notes stand, to come back to with `forget` when what follows is not used."""
        return len(self.met), len(self.names)

    def forget(self, mark: tuple[int, int]) -> None:
        del self.met[mark[0] :]
        del self.names[mark[1] :]

    def name(self, *, city: bool) -> str:
        name = (names.city if city else names.person)(self.random, held_out=self.held_out_names)
        self.names.append(name)
        return name

    def noun_phrase(self, noun: Noun, *, simple: bool = False, object_of: str = "") -> NounPhrase:
        """A phrase with this noun; `object_of` a verb it may have a number of things as the object of."""
        plural = noun.number == "plural" or (noun.number == "both" and self.chance(0.27))
        determiner = self._determiner(noun, plural)
        number = 0
        if determiner is BARE and noun.number == "both" and (not object_of or self.chance(0.5)):
            number = self.counted()
        chosen = self._adjectives(noun) if not simple and self.chance(0.3) else ()
        owner = None
        if determiner is THE and not simple and not chosen and self.chance(0.06):
            owner = self.noun_phrase(self.choice(nouns.BY_CLASS["person"]), simple=True)
            if owner.determiner not in (THE, THIS, *POSSESSIVES):
                owner = None
        return NounPhrase(noun, plural, determiner, chosen, number, owner)

    def _determiner(self, noun: Noun, plural: bool) -> Determiner:
        table: Sequence[Determiner | None]
        table = {"both": _COUNTED, "plural": _PLURAL, "mass": _MASS, "singular": _SINGULAR}[noun.number]
        if plural:
            table = _PLURAL
        return self.choice(table) or self._possessive(noun)

    def _possessive(self, noun: Noun) -> Determiner:
        """seine Frau would be his wife, and sein Mann her husband."""
        return THE if noun.lemma in ("Mann", "Frau") else self.choice(POSSESSIVES)

    def _adjectives(self, noun: Noun) -> tuple[Adjective, ...]:
        options = adjectives_of(noun)
        if not options:
            return ()
        first = self.choice(options)
        if not self.combine("adjective", first.german, noun.lemma):
            return ()
        colors = [entry for entry in options if entry.german in adjectives.COLORS]
        if colors and first not in colors and self.chance(0.15):  # ein großer roter Ball: no comma before a color
            second = self.choice(colors)
            if self.combine("adjective", second.german, noun.lemma):
                return first, second
        return (first,)

    def counted(self) -> int:
        """Mostly a small number, sometimes one of two digits, seldom of three."""
        draw = self.random.random()
        if draw < 0.6:
            return self.random.randint(2, 12)
        return self.random.randint(13, 99) if draw < 0.95 else self.random.randint(100, 999)

    def subject(self, classes: tuple[str, ...]) -> Nominal:
        """Somebody or something that does; pronouns and names stand for persons only."""
        if "person" in classes and (len(classes) == 1 or self.chance(0.6)):
            draw = self.random.random()
            if draw < 0.32:
                return self.choice((ME, ME, YOU, HE, HE, SHE, SHE, WE, THEY))
            if draw < 0.46:
                return Name(self.name(city=False), self.choice(("", "", "Herr", "Frau")))
            if draw < 0.5:
                return Both(self._person(), self._person())
            noun = self.choice(nouns.BY_CLASS["person"])
        else:
            noun = self.choice(nouns_of(classes))
        if self.chance(0.02) and noun.number == "both":
            return NounPhrase(noun, False, NO)
        return self.noun_phrase(noun)

    def _person(self) -> Name | NounPhrase:
        if self.chance(0.3):
            return Name(self.name(city=False), self.choice(("", "Herr", "Frau")))
        noun = self.choice(nouns.BY_CLASS["person"])
        return NounPhrase(noun, noun.number == "plural", THE if self.chance(0.3) else self._possessive(noun))

    def person_object(self, subject: Nominal, case: str) -> Nominal | None:
        """A pronoun or a name, by chance, that does not mean the subject again."""
        draw = self.random.random()
        if draw < 0.16:
            options = [p for p in (ME, YOU, HE, SHE, WE) if p.person != subject.person or p.person == 3]
            return self.choice([*options, THEY] if case == DATIVE else options)
        return Name(self.name(city=False), self.choice(("", "", "Herr", "Frau"))) if draw < 0.28 else None

    def object(self, verb: str, classes: tuple[str, ...], subject: Nominal, case: str) -> Nominal:
        """Somebody or something a verb is done to."""
        if classes[0] == "person" and (len(classes) == 1 or self.chance(0.4)):
            found = self.person_object(subject, case)
            if found is not None:
                return found
        elif case == ACCUSATIVE and classes[0] != "person" and verb not in TWO_MEANINGS and self.chance(0.05):
            return IT
        while True:
            noun = self.choice(nouns.BY_CLASS[self.choice(classes)])
            if isinstance(subject, NounPhrase) and subject.noun is noun:
                continue
            if self.combine("object", verb, noun.lemma):
                return self.noun_phrase(noun, object_of=verb)


def anaphor(nominal: Nominal) -> Pronoun | None:
    """The personal pronoun for somebody already named, where its gender is plain."""
    if isinstance(nominal, Both):
        return THEY
    if isinstance(nominal, Name):
        return {"Herr": HE, "Frau": SHE}.get(nominal.title)
    if isinstance(nominal, NounPhrase) and "person" in nominal.noun.classes:
        if nominal.plural:
            return THEY
        return {"m": HE, "f": SHE}.get(nominal.form)
    return nominal if isinstance(nominal, Pronoun) and nominal.person < 3 else None
