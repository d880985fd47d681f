"""Draws the clause of a verb: its tense, its objects, its negation, its adverbials."""

from functools import cache
from typing import Final, NamedTuple

from nmt.data.demo import adjectives, verbs
from nmt.data.demo.adverbials import Adverbials
from nmt.data.demo.clause import MODALS, Clause, Part, object_part
from nmt.data.demo.german import ACCUSATIVE
from nmt.data.demo.phrases import INDEFINITE, QUANTIFIED, Nominal, NounPhrase, after_preposition
from nmt.data.demo.verbs import Verb

_TENSES: Final = ("present",) * 9 + ("past",) * 8 + ("future",) * 3 + ("modal",) * 5
_PAST_MODALS: Final = ("können", "müssen", "wollen", "dürfen")


class Drawn(NamedTuple):
    """A clause and what filled it, for questions, relative clauses and fronting to work on."""

    clause: Clause
    objects: dict[str, Nominal]  # by role
    prepositional: tuple[str, str, str] = ("", "", "")  # German preposition, its case, English preposition
    object_first: bool = False  # whether German case shows the object where it stands before the verb


@cache
def verbs_for(classes: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs something of these classes can be the subject of."""
    return tuple(verb for verb in verbs.VERBS if classes.intersection(verb.subjects))


class VerbClauses(Adverbials):
    """Random clauses of a verb with its objects and adverbials."""

    def tense(self, verb: Verb, subject: Nominal) -> tuple[str, str]:
        """A tense and a modal verb, "" for none; only persons want, and nobody has to like."""
        drawn = self.choice(_TENSES)
        if drawn != "modal":
            return drawn, ""
        personal = not isinstance(subject, NounPhrase) or "person" in subject.noun.classes
        modal = self.choice(tuple(MODALS))
        if not personal or verb.german.preterite or not self.combine("modal", modal, verb.name):
            return "present", ""
        return ("past" if modal in _PAST_MODALS and self.chance(0.3) else "present"), modal

    def verb_clause(
        self,
        verb: Verb,
        tense: str = "",
        *,
        subject: Nominal | None = None,
        modal: str = "",
        light: bool = False,
        without: str = "",
        bare: bool = False,
    ) -> Drawn:
        """A clause with this verb. `light` spares adverbials; `without` names a role that something else fills; `bare`
        is for infinitives, which are not negated here and keep to their objects.
        """
        subject = subject or self.subject(verb.subjects)
        if not tense:
            tense, modal = self.tense(verb, subject)
        clause = Clause(subject, verb, tense, modal)
        objects, prepositional = self._fill(clause, without)
        if verb.goal:
            clause.parts.append(Part("goal", *self.goal(verb.goal)))
        if verb.place and without != "location":
            clause.parts.append(Part("location", *self.place(verb.place)))
        negated = not bare and self.chance(0.13) and self.negate(clause, objects)
        if bare:
            return Drawn(clause, objects, prepositional)
        if light:
            if self.chance(0.2):
                clause.parts.append(self.when(clause))
        else:
            self._adverbials(clause, negated=negated)
        thing = objects.get(ACCUSATIVE)
        object_first = isinstance(thing, NounPhrase) and (thing.marked or subject.marked) and clause.nicht
        return Drawn(clause, objects, prepositional, object_first)

    def _fill(self, clause: Clause, without: str) -> tuple[dict[str, Nominal], tuple[str, str, str]]:
        """Add the objects of the verb's frame."""
        objects: dict[str, Nominal] = {}
        prepositional = ("", "", "")
        for entry in clause.verb.objects:
            role = "prepositional" if entry.german_preposition else entry.case
            if entry.german_preposition:
                prepositional = (entry.german_preposition, entry.case, entry.english_preposition)
            if role == without:
                if role == ACCUSATIVE and entry.english_preposition:  # the key that he looks for
                    clause.parts.append(Part(ACCUSATIVE, "", entry.english_preposition))
                continue
            nominal = self.object(clause.verb.name, entry.classes, clause.subject, entry.case)
            objects[role] = nominal
            if entry.german_preposition:
                text = after_preposition(entry.german_preposition, nominal, entry.case)
                meaning = f"{entry.english_preposition} {nominal.english(entry.case)}".strip()
                clause.parts.append(Part(role, text, meaning))
            else:
                clause.parts.append(object_part(nominal, entry.case, entry.english_preposition))
        return objects, prepositional

    def negate(self, clause: Clause, objects: dict[str, Nominal]) -> bool:
        """Negate the clause if that is unambiguous: kein for an indefinite object, nicht for the rest."""
        phrases = [n for n in (clause.subject, *objects.values()) if isinstance(n, NounPhrase)]
        if any(phrase.determiner in QUANTIFIED or phrase.number for phrase in phrases):
            return False
        clause.negated = True
        thing = objects.get(ACCUSATIVE)
        if isinstance(thing, NounPhrase) and thing.determiner in INDEFINITE:
            preposition = next(o.english_preposition for o in clause.verb.objects if o.case == ACCUSATIVE)
            index = next(i for i, part in enumerate(clause.parts) if part.role == ACCUSATIVE)
            clause.parts[index] = object_part(thing.negated(), ACCUSATIVE, preposition)
            clause.nicht = False
        return True

    def when(self, clause: Clause) -> Part:
        if clause.tense == "present" and clause.modal:
            return self.time(self.choice(("present", "future")))
        return self.time("past" if clause.tense == "pluperfect" else clause.tense)

    def _adverbials(self, clause: Clause, *, negated: bool) -> None:
        """When, how, with whom and where, as the verb allows; three at most, so that the clause stays readable."""
        taken = clause.verb.adjuncts
        lasting = clause.verb.german.preterite and not clause.verb.place  # nobody knows a town on Mondays
        if self.chance(0.05 if lasting else 0.4):
            clause.parts.append(self.when(clause))
        elif not negated and clause.tense in ("present", "past") and not clause.modal and self.chance(0.16):
            clause.parts.append(Part("frequency", *self.choice(adjectives.FREQUENCIES)))
        elif self.chance(0.04):
            clause.parts.append(self.cause())
        busy = len(clause.parts)
        if busy < 3 and "company" in taken and self.chance(0.16):
            clause.parts.append(self.company())
        manner = next((kind for kind in adjectives.MANNERS if kind in taken), "")
        if busy < 3 and manner and not negated and self.chance(0.2):
            clause.parts.append(Part("manner", *self.choice(adjectives.MANNERS[manner])))
        if busy < 3 and "place" in taken and self.chance(0.26):
            clause.parts.append(Part("place", *self.place()))

    def simple_tense(self, tense: str) -> str:
        return (
            tense if tense in ("present", "past", "future") else self.choice(("present", "present", "past", "future"))
        )
