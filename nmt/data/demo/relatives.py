"""Draws relative clauses: the pronoun agrees with its noun and takes its case from the clause it opens."""

from collections.abc import Callable
from functools import cache

from nmt.data.demo import german, verbs
from nmt.data.demo.german import ACCUSATIVE, DATIVE, NOMINATIVE
from nmt.data.demo.nouns import Noun
from nmt.data.demo.phrases import Pair, Pronoun
from nmt.data.demo.verb_clauses import Drawn, VerbClauses, verbs_for
from nmt.data.demo.verbs import Verb


@cache
def _verbs_with(classes: frozenset[str], case: str, prepositional: bool) -> tuple[Verb, ...]:
    """The verbs something of these classes can be the object of."""
    found = []
    for verb in verbs.VERBS:
        for entry in verb.objects:
            if entry.case != case and not prepositional:
                continue
            if bool(entry.german_preposition) == prepositional and classes.intersection(entry.classes):
                found.append(verb)
    return tuple(dict.fromkeys(found))


class Relatives(VerbClauses):
    """Random relative clauses."""

    def relative(self, noun: Noun, plural: bool) -> Pair | None:
        """A relative clause about a noun, by the role its pronoun plays; None where the noun plays none."""
        mark = self.mark()
        home = next((name for name in ("in", "at", "on") if name in noun.classes), "")
        makers: list[Callable[[Noun, bool], Pair | None]] = [self._object_relative, self._prepositional_relative]
        if "person" in noun.classes:
            makers += [self._subject_relative, self._subject_relative, self._dative_relative]
        elif home:
            makers += [self._local_relative, self._local_relative]
        else:
            makers += [self._subject_relative]
        found = self.choice(makers)(noun, plural)
        if found is None:
            self.forget(mark)
        return found

    def _relative_verb(self, options: tuple[Verb, ...]) -> Verb | None:
        if not options:
            return None
        verb = self.choice(options)
        return verb if self.combine("relative", verb.name, "relative") else None

    def _subject_relative(self, noun: Noun, plural: bool) -> Pair | None:
        verb = self._relative_verb(verbs_for(noun.classes))
        if verb is None:
            return None
        form = "p" if plural else noun.gender
        word = "who" if "person" in noun.classes else "that"
        forms = tuple(german.RELATIVE[case][form] for case in (NOMINATIVE, ACCUSATIVE, DATIVE))
        pronoun = Pronoun(3, plural, plural or noun.paired, False, (forms[0], forms[1], forms[2]), (word, word))
        return self._as_relative(self.verb_clause(verb, self._relative_tense(), subject=pronoun, light=True))

    def _object_relative(self, noun: Noun, plural: bool) -> Pair | None:
        verb = self._relative_verb(_verbs_with(noun.classes, ACCUSATIVE, False))
        if verb is None or not self.combine("object", verb.name, noun.lemma):
            return None
        form = "p" if plural else noun.gender
        subject = self.subject(verb.subjects)
        animate = not noun.classes.isdisjoint(("person", "animal"))
        if animate and form != "m" and not subject.marked:  # die Frau, die das Kind sieht: only the subject reads so
            return None
        word = "whom" if "person" in noun.classes else "that"
        drawn = self.verb_clause(verb, self._relative_tense(), subject=subject, light=True, without=ACCUSATIVE)
        return self._as_relative(drawn, german.RELATIVE[ACCUSATIVE][form], word)

    def _dative_relative(self, noun: Noun, plural: bool) -> Pair | None:
        verb = self._relative_verb(_verbs_with(noun.classes, DATIVE, False))
        entry = verb.object(DATIVE) if verb else None
        if verb is None or entry is None or not self.combine("object", verb.name, noun.lemma):
            return None
        drawn = self.verb_clause(verb, self._relative_tense(), light=True, without=DATIVE)
        word = f"{entry.english_preposition} whom".strip()
        return self._as_relative(drawn, german.RELATIVE[DATIVE]["p" if plural else noun.gender], word)

    def _prepositional_relative(self, noun: Noun, plural: bool) -> Pair | None:
        verb = self._relative_verb(_verbs_with(noun.classes, DATIVE, True))
        entry = verb.prepositional if verb else None
        if verb is None or entry is None or not self.combine("object", verb.name, noun.lemma):
            return None
        drawn = self.verb_clause(verb, self._relative_tense(), light=True, without="prepositional")
        pronoun = german.RELATIVE[entry.case]["p" if plural else noun.gender]
        word = "whom" if "person" in noun.classes else "which"
        lead = Pair(f"{entry.german_preposition} {pronoun}", f"{entry.english_preposition} {word}")
        return self._as_relative(drawn, *lead)

    def _local_relative(self, noun: Noun, plural: bool) -> Pair | None:
        """das Haus, in dem mein Bruder wohnt."""
        verb = self._relative_verb(tuple(v for v in verbs.VERBS if "place" in v.adjuncts and v.subjects[0] == "person"))
        if verb is None:
            return None
        preposition, meaning = next(
            pair
            for name, pair in (("in", ("in", "in")), ("at", ("an", "at")), ("on", ("auf", "on")))
            if name in noun.classes
        )
        drawn = self.verb_clause(verb, self._relative_tense(), light=True, without="location")
        pronoun = german.RELATIVE[DATIVE]["p" if plural else noun.gender]
        return self._as_relative(drawn, f"{preposition} {pronoun}", f"{meaning} which")

    def _relative_tense(self) -> str:
        return self.choice(("present", "present", "past", "past", "future"))

    def _as_relative(self, drawn: Drawn, lead: str = "", english_lead: str = "") -> Pair:
        clause = drawn.clause
        return Pair(clause.german("last", lead=lead), clause.english("statement", lead=english_lead))
