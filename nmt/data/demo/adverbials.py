"""Draws where, where to, when, with whom and why, at random and in both languages."""

from typing import Final

from nmt.data.demo import adjectives, english, german, nouns
from nmt.data.demo.clause import Part
from nmt.data.demo.german import ACCUSATIVE, DATIVE, GENITIVE
from nmt.data.demo.nominals import Nominals, nouns_of
from nmt.data.demo.nouns import Noun
from nmt.data.demo.phrases import POSSESSIVES, THE, THIS, A, NounPhrase, Pair, after_preposition

_SURFACES: Final = (
    ("auf", "on", "onto"),
    ("auf", "on", "onto"),
    ("unter", "under", "under"),
    ("neben", "next to", "next to"),
    ("hinter", "behind", "behind"),
    ("vor", "in front of", "in front of"),
)
_HOMES: Final = {"in": ("in", "in", "into"), "at": ("an", "at", "to"), "on": ("auf", "on", "onto")}
_AROUND: Final = (("hinter", "behind"), ("neben", "next to"), ("vor", "in front of"))
_DWELLINGS: Final = tuple(
    nouns.BY_LEMMA[word] for word in ("Haus", "Wohnung", "Stadt", "Dorf", "Hotel", "Tal", "Schloss")
)
_LARGE: Final = ("building", "room", "outdoor")


class Adverbials(Nominals):
    """Random adverbials, as pairs or as parts of a clause."""

    def place(self, which: str = "any") -> Pair:
        """Where something is: in, at or on a place, in a city, by furniture; "outside" is for the weather."""
        if which == "outside":
            return (
                self._city("in", "in")
                if self.chance(0.3)
                else self._at_home(self.choice(nouns.BY_CLASS["outdoor"]), DATIVE)
            )
        if which == "surface":
            return self._surface(DATIVE)
        if which == "home":
            if self.chance(0.5):
                return self._city("in", "in")
            return self._at_home(self.choice(_DWELLINGS), DATIVE)
        if self.chance(0.14):
            return self._city("in", "in")
        noun = self.choice(nouns_of(_LARGE))
        if "building" in noun.classes and self.chance(0.25):
            preposition, meaning = self.choice(_AROUND)
            phrase = self._local(noun)
            return Pair(after_preposition(preposition, phrase, DATIVE), f"{meaning} {phrase.english(DATIVE)}")
        return self._at_home(noun, DATIVE)

    def goal(self, which: str) -> Pair:
        """Where something goes."""
        if which == "surface":
            return self._surface(ACCUSATIVE)
        if which == "city" or self.chance(0.2):
            return self._city("nach", "to")
        noun = self.choice(nouns_of(_LARGE))
        if "in" in noun.classes and self.chance(0.5):
            phrase = self._local(noun)
            return Pair(after_preposition("zu", phrase, DATIVE), f"to {phrase.english(DATIVE)}")
        return self._at_home(noun, ACCUSATIVE)

    def _city(self, preposition: str, meaning: str) -> Pair:
        name = self.name(city=True)
        return Pair(f"{preposition} {name}", f"{meaning} {name}")

    def _at_home(self, noun: Noun, case: str) -> Pair:
        """The preposition that is a place's own: im Garten, am Strand, auf der Straße; in den Garten."""
        home = next(name for name in ("in", "at", "on") if name in noun.classes)
        preposition, static, moving = _HOMES[home]
        phrase = self._local(noun)
        meaning = static if case == DATIVE else moving
        return Pair(after_preposition(preposition, phrase, case), f"{meaning} {phrase.english(case)}")

    def _surface(self, case: str) -> Pair:
        preposition, static, moving = self.choice(_SURFACES)
        phrase = self._local(self.choice(nouns.BY_CLASS["furniture"]))
        meaning = static if case == DATIVE else moving
        return Pair(after_preposition(preposition, phrase, case), f"{meaning} {phrase.english(case)}")

    def _local(self, noun: Noun) -> NounPhrase:
        determiner = self.choice((THE, THE, THE, THE, A, THIS, self.choice(POSSESSIVES)))
        chosen = self._adjectives(noun) if self.chance(0.2) else ()
        return NounPhrase(noun, False, determiner, chosen)

    def company(self) -> Part:
        """With somebody, without somebody, for somebody."""
        preposition, case, meaning = self.choice(
            (
                ("mit", DATIVE, "with"),
                ("mit", DATIVE, "with"),
                ("ohne", ACCUSATIVE, "without"),
                ("für", ACCUSATIVE, "for"),
            )
        )
        person = self._person()
        return Part("company", after_preposition(preposition, person, case), f"{meaning} {person.english(case)}")

    def cause(self) -> Part:
        """Because of the weather, which takes the genitive."""
        noun = self.choice(nouns.BY_CLASS["cause"])
        chosen = self._adjectives(noun) if self.chance(0.4) else ()
        phrase = NounPhrase(noun, False, THE, chosen)
        return Part("cause", f"wegen {phrase.german(GENITIVE)}", f"because of {phrase.english(GENITIVE)}")

    def time(self, tense: str) -> Part:
        """When, in keeping with the tense."""
        draw = self.random.random()
        if draw < 0.45:
            return Part("time", *self.choice(adjectives.TIMES[tense]))
        if draw < 0.58:
            day, meaning = self.choice(adjectives.DAYS)
            return Part("time", f"am {day}", f"on {meaning}")
        if draw < 0.66:
            month, meaning = self.choice(adjectives.MONTHS)
            return Part("time", f"im {month}", f"in {meaning}")
        if draw < 0.8:
            return self._event_time()
        if draw < 0.9 or tense == "present":
            return self._clock()
        if tense == "past" and self.chance(0.4):
            year = self.random.randint(1850, 2019)
            return Part("time", f"im Jahr {year}", f"in the year {year}")
        number = self.random.randint(2, 20)
        unit, meaning = self.choice(adjectives.UNITS_OF_TIME)
        word = german.cardinal(number)
        if tense == "past":
            return Part("time", f"vor {word} {unit}", f"{english.cardinal(number)} {meaning} ago")
        return Part("time", f"in {word} {unit}", f"in {english.cardinal(number)} {meaning}")

    def _event_time(self) -> Part:
        preposition, case, meaning = self.choice(
            (("nach", DATIVE, "after"), ("vor", DATIVE, "before"), ("während", GENITIVE, "during"))
        )
        phrase = NounPhrase(self.choice(nouns.BY_CLASS["event"]), False, self.choice((THE, THE, THIS)))
        return Part("time", after_preposition(preposition, phrase, case), f"{meaning} {phrase.english(case)}")

    def _clock(self) -> Part:
        hour = self.random.randint(1, 12)
        spoken = "ein" if hour == 1 else german.cardinal(hour)
        kind = self.random.random()
        if kind < 0.5:
            return Part("time", f"um {spoken} Uhr", f"at {english.cardinal(hour)} o'clock")
        if kind < 0.75:  # halb acht is half past seven
            before = 12 if hour == 1 else hour - 1
            return Part("time", f"um halb {german.cardinal(hour)}", f"at half past {english.cardinal(before)}")
        minute = self.random.randint(0, 59)
        hour = self.random.randint(0, 23)
        return Part("time", f"um {hour}:{minute:02d} Uhr", f"at {hour}:{minute:02d}")
