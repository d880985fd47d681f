"""Draws statements about what things are: adjectives, comparisons, professions, numbers, existence, weather."""

from typing import Final

from nmt.data.demo import adjectives, english, german, nouns, verbs
from nmt.data.demo.clause import Clause, Part
from nmt.data.demo.german import ACCUSATIVE, NOMINATIVE
from nmt.data.demo.nominals import adjectives_of
from nmt.data.demo.nouns import Noun
from nmt.data.demo.phrases import (
    BARE,
    INDEFINITE,
    IT,
    MANY,
    NO,
    SOME,
    A,
    Determiner,
    Name,
    Nominal,
    NounPhrase,
    Pair,
    Pronoun,
)
from nmt.data.demo.verb_clauses import Drawn, VerbClauses

_DESCRIBED: Final = tuple(noun for noun in nouns.NOUNS if adjectives_of(noun))


class Facts(VerbClauses):
    """Random clauses without a verb of doing."""

    def _copula(self, tense: str, subject: Nominal, predicate: Pair, *, negatable: bool = True) -> Drawn:
        clause = Clause(subject, verbs.BE, self.simple_tense(tense))
        clause.parts.append(Part("predicate", *predicate))
        if not negatable:
            return Drawn(clause, {})
        if self.chance(0.12):
            self.negate(clause, {})
        elif self.chance(0.15):
            clause.parts.append(Part("time", *self.choice(adjectives.TIMES[clause.tense])))
        elif clause.tense != "future" and self.chance(0.1):
            clause.parts.append(Part("frequency", *self.choice(adjectives.FREQUENCIES)))
        return Drawn(clause, {})

    def predicate(self, tense: str) -> Drawn:
        """Der alte Mann ist sehr müde."""
        if self.chance(0.5):
            subject, options = self.subject(("person",)), adjectives.BY_CLASS["person"]
        else:
            noun = self.choice(_DESCRIBED)
            subject, options = self.noun_phrase(noun, simple=True), adjectives_of(noun)
        entry = self.choice(options)
        graded = entry.german not in adjectives.COLORS and self.chance(0.35)
        degree, meaning = self.choice(adjectives.DEGREES) if graded else ("", "")
        predicate = Pair(f"{degree} {entry.german}".strip(), f"{meaning} {entry.english}".strip())
        return self._copula(tense, subject, predicate)

    def comparison(self, tense: str) -> Drawn:
        """Der Hund ist größer als die Katze; das Auto ist so alt wie der Bus."""
        name = self.choice(("person", "animal", "building", "vehicle", "clothing"))
        first, second = self.random.sample(nouns.BY_CLASS[name], 2)
        subject, other = self.noun_phrase(first, simple=True), self._local(second)
        if second.number == "plural":
            other = (
                NounPhrase(second, True, other.determiner) if other.determiner is not A else self.noun_phrase(second)
            )
        entry = self.choice([entry for entry in adjectives.BY_CLASS[name] if entry.comparative])
        if self.chance(0.7):
            predicate = Pair(
                f"{entry.comparative} als {other.german(NOMINATIVE)}",
                f"{entry.english_comparative} than {other.english(NOMINATIVE)}",
            )
        else:
            predicate = Pair(
                f"so {entry.german} wie {other.german(NOMINATIVE)}",
                f"as {entry.english} as {other.english(NOMINATIVE)}",
            )
        return self._copula(tense if tense != "future" else "present", subject, predicate)

    def profession(self, tense: str) -> Drawn:
        """Herr Tarbin ist ein guter Arzt; Kelberg ist eine schöne Stadt."""
        city = self.chance(0.4)
        noun = (
            nouns.BY_LEMMA["Stadt"]
            if city
            else self.choice([n for n in nouns.BY_CLASS["person"] if n.number == "both"])
        )
        subject = Name(self.name(city=city), "" if city or self.chance(0.3) else self._title(noun))
        phrase = NounPhrase(noun, False, A, self._adjectives(noun))
        return self._copula(
            tense, subject, Pair(phrase.german(NOMINATIVE), phrase.english(NOMINATIVE)), negatable=False
        )

    def _title(self, noun: Noun) -> str:
        return "Frau" if noun.gender == "f" else "Herr"

    def number_fact(self, tense: str) -> Drawn:
        """Ages in words, prices and inhabitants in digits."""
        fact = self.choice(("age", "price", "inhabitants"))
        tense = self.simple_tense(tense)
        if fact == "age":
            number = self.random.randint(2, 99)
            return self._copula(
                tense,
                self.subject(("person",)),
                Pair(f"{german.cardinal(number)} Jahre alt", f"{english.cardinal(number)} years old"),
                negatable=False,
            )
        if fact == "price":
            number = self.random.randint(2, 999)
            noun = self.choice(nouns.BY_CLASS[self.choice(("thing", "clothing", "vehicle"))])
            clause = Clause(self.noun_phrase(noun, simple=True), verbs.COST, tense)
            clause.parts.append(Part("predicate", f"{number} Euro", f"{number} euros"))
        else:
            number = self.random.randint(200, 99999)
            clause = Clause(Name(self.name(city=True)), verbs.HAVE, tense)
            clause.parts.append(Part("predicate", f"{number} Einwohner", f"{number} inhabitants"))
        if self.chance(0.25):
            clause.parts.append(Part("time", *self.choice(adjectives.TIMES[tense])))
        return Drawn(clause, {})

    def existence(self, tense: str) -> Drawn:
        """Es gibt im Dorf kein Hotel."""
        noun = self.choice(nouns.BY_CLASS[self.choice(("building", "food", "animal", "event", "vehicle", "plant"))])
        phrase = self.noun_phrase(noun)
        if phrase.determiner not in (*INDEFINITE, MANY, SOME):
            phrase = NounPhrase(noun, phrase.plural, self._unknown(phrase), phrase.adjectives)
        plural = phrase.english_plural
        subject = Pronoun(3, False, plural, False, ("es", "es", "es"), ("there", "there"))
        clause = Clause(subject, verbs.EXIST, self.simple_tense(tense))
        clause.parts.append(Part(ACCUSATIVE, phrase.german(ACCUSATIVE), phrase.english(ACCUSATIVE)))
        clause.parts.append(Part("place", *self.place()))
        return Drawn(clause, {})

    def _unknown(self, phrase: NounPhrase) -> Determiner:
        """What is told to exist is not known yet."""
        if self.chance(0.4):
            return NO
        return A if phrase.countable_singular else BARE

    def weather(self, tense: str) -> Drawn:
        """Es regnet."""
        clause = Clause(IT, self.choice(verbs.RAIN), self.simple_tense(tense))
        if self.chance(0.12):
            clause.negated = True
        if self.chance(0.6):
            clause.parts.append(self.when(clause))
        if self.chance(0.5):
            clause.parts.append(Part("place", *self.place("outside")))
        return Drawn(clause, {})
