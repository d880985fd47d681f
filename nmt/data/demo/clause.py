"""A clause in both languages: one set of parts, put in German order by place in the field and in English order by role.

German has the finite verb second, first or last and all other verbs at the end; what lies between keeps a fixed order.
English keeps subject, verb and object, with do-support for questions and negations.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from nmt.data.demo import german
from nmt.data.demo.english import VerbGroup, verb_group
from nmt.data.demo.german import NOMINATIVE, GermanVerb
from nmt.data.demo.phrases import Nominal, Pair, Pronoun
from nmt.data.demo.verbs import Verb

# Where each part stands: in the German middle field, and after the English verb (-1: before it).
_ORDER: Final[dict[str, tuple[int, int]]] = {
    "accusative pronoun": (0, 0),
    "dative pronoun": (1, 2),
    "time": (2, 8),
    "frequency": (2, -1),
    "cause": (3, 7),
    "dative": (4, 2),
    "accusative": (5, 0),
    # nicht stands here, at 6
    "company": (7, 5),
    "manner": (8, 4),
    "place": (9, 6),
    "prepositional": (10, 3),
    "goal": (10, 3),
    "location": (10, 3),
    "predicate": (10, 3),
}
_NICHT: Final = 6
_ENGLISH_PARTICLE: Final = 1  # before a noun object, but after a pronoun


class Part(NamedTuple):
    """One constituent besides subject and verb; either language may be empty (a stranded preposition)."""

    role: str
    german: str
    english: str


def _auxiliary(text: str, preterite: str) -> GermanVerb:
    return GermanVerb("", text, "", "", "", preterite)


_HABEN: Final = _auxiliary("haben", "hatte")
_SEIN: Final = _auxiliary("sein", "war")
_WERDEN: Final = GermanVerb("", "werden", "", "", "", "")
MODALS: Final = {
    "können": _auxiliary("können", "konnte"),
    "müssen": _auxiliary("müssen", "musste"),
    "wollen": _auxiliary("wollen", "wollte"),
    "sollen": _auxiliary("sollen", ""),
    "dürfen": _auxiliary("dürfen", "durfte"),
    "möchten": _auxiliary("möchten", ""),
}


@dataclass(slots=True)
class Clause:
    """Subject, verb and parts, with what decides the verb's form.

    `tense` is present, past, future or pluperfect. The past is the perfect or the preterite as the verb has it, always
    the simple past in English. A relative clause on the last object waits in `relative` for the end of the clause.
    """

    subject: Nominal
    verb: Verb
    tense: str = "present"
    modal: str = ""
    negated: bool = False
    nicht: bool = True  # False where kein carries the German negation
    parts: list[Part] = field(default_factory=list)
    relative: Pair | None = None

    def german(self, order: str, *, lead: str = "", front: str = "") -> str:
        """The clause with its verb "second", "first", "last" or as "infinitive" (without a subject).

        `lead` comes before everything (a conjunction, a question word); `front` is the role of the part that takes the
        place before a second verb from the subject.
        """
        finite, end, joined = self._german_verbs()
        opening = [part.german for part in self.parts if part.role == front]
        middle = self._middle(front)
        subject = self.subject.german(NOMINATIVE)
        if order == "infinitive":
            words = [lead, *middle, self.verb.german.zu_infinitive]
        elif order == "last":
            words = [lead, subject, *middle, joined]
        elif order == "first":
            words = [lead, finite, subject, *middle, end]
        elif opening:
            words = [lead, *opening, finite, subject, *middle, end]
        else:
            words = [lead, subject, finite, *middle, end]
        text = " ".join(filter(None, words))
        return f"{text}, {self.relative.german}," if self.relative else text

    def _middle(self, front: str) -> list[str]:
        slots = [(_ORDER[part.role][0], part.german) for part in self.parts if part.role != front]
        if self.negated and self.nicht:
            slots.append((_NICHT, "nicht"))
        return [text for _, text in sorted(slots, key=lambda slot: slot[0])]

    def _german_verbs(self) -> tuple[str, str, str]:
        """The finite verb, what ends a main clause, and both as they end a subordinate clause."""
        person, plural = self.subject.person, self.subject.plural
        verb = self.verb.german
        if self.modal:
            modal = MODALS[self.modal]
            finite = (german.past if self.tense == "past" else german.present)(modal, person, plural)
            end = verb.infinitive
        elif self.tense == "future":
            finite, end = german.present(_WERDEN, person, plural), verb.infinitive
        elif self.tense == "pluperfect":
            finite = german.past(_SEIN if verb.auxiliary == "sein" else _HABEN, person, plural)
            end = verb.joined_participle
        elif self.tense == "past" and not verb.preterite:
            finite = german.present(_SEIN if verb.auxiliary == "sein" else _HABEN, person, plural)
            end = verb.joined_participle
        else:
            finite = (german.past if self.tense == "past" else german.present)(verb, person, plural)
            return finite, verb.prefix, verb.prefix + finite
        return finite, end, f"{end} {finite}"

    def english(self, order: str, *, lead: str = "", front: str = "") -> str:
        """The clause as a "statement", a "question" (inverted) or an "infinitive" (with to, without a subject)."""
        opening = [part.english for part in self.parts if part.role == front]
        before = [part.english for part in self.parts if part.role == "frequency" and part.role != front]
        after = self._after(front)
        if order == "infinitive":
            words = [lead, "to", self.verb.english.base, *after]
        else:
            words = [lead, *opening, *self._with_subject(order == "question", before), *after]
        text = " ".join(filter(None, words))
        return f"{text} {self.relative.english}" if self.relative else text

    def _after(self, front: str) -> list[str]:
        slots = [(_ORDER[p.role][1], p.english) for p in self.parts if p.role != front and p.role != "frequency"]
        pronoun = any(part.role == "accusative pronoun" for part in self.parts)
        slots.append((_ENGLISH_PARTICLE if pronoun else -1, self.verb.english.particle))
        return [text for _, text in sorted(slots, key=lambda slot: slot[0])]

    def _with_subject(self, inverted: bool, before: list[str]) -> list[str]:
        group = self._group()
        subject = self.subject.english(NOMINATIVE)
        auxiliary, rest = group.auxiliary, group.bare
        if not auxiliary:
            if not (inverted or self.negated):
                return [subject, *before, group.finite]
            auxiliary = group.support
        negation = ["not"] if self.negated else []
        if inverted:
            return [auxiliary, subject, *negation, *before, rest]
        if negation and auxiliary == "can":
            return [subject, "cannot", *before, rest]
        return [subject, auxiliary, *negation, *before, rest]

    def _group(self) -> VerbGroup:
        return verb_group(
            self.verb.english,
            tense=self.tense,
            modal=self.modal,
            person=self.subject.person,
            plural_subject=self.subject.english_plural,
        )


def object_part(nominal: Nominal, case: str, preposition: str) -> Part:
    """An object without a German preposition; pronouns go first in the German middle field."""
    role = f"{case} pronoun" if isinstance(nominal, Pronoun) else case
    return Part(role, nominal.german(case), f"{preposition} {nominal.english(case)}".strip())
