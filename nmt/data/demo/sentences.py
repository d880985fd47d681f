"""Draws whole sentences: statements with something in front, questions, subordinate clauses, coordination."""

import re
from typing import Final, NamedTuple

from nmt.data.demo import adjectives, verbs
from nmt.data.demo.clause import Clause, Part
from nmt.data.demo.german import ACCUSATIVE, DATIVE
from nmt.data.demo.grammar import Clauses
from nmt.data.demo.nominals import anaphor
from nmt.data.demo.phrases import HOW_MANY, IT, QUANTIFIED, WHICH, WHO, Name, Nominal, NounPhrase, Pair, Pronoun
from nmt.data.demo.verb_clauses import Drawn


class Conjunction(NamedTuple):
    """A subordinating conjunction and the tenses that go with it, of the main clause and of its own."""

    german: str
    english: str
    tenses: tuple[tuple[str, str], ...]
    first: bool  # whether its clause may open the sentence


_COMMAS: Final = re.compile(r",(?: ?,)+")  # where two clauses end at once
_SAME: Final = (("present", "present"), ("past", "past"))
_AHEAD: Final = (("present", "present"), ("future", "present"))
CONJUNCTIONS: Final = (
    Conjunction("weil", "because", _SAME, True),
    Conjunction("weil", "because", _SAME, True),
    Conjunction("obwohl", "although", _SAME, True),
    Conjunction("wenn", "if", _AHEAD, True),
    Conjunction("als", "when", (("past", "past"),), True),
    Conjunction("bevor", "before", _SAME, True),
    Conjunction("nachdem", "after", (("past", "pluperfect"),), True),
    Conjunction("während", "while", _SAME, True),
    Conjunction("sobald", "as soon as", _AHEAD, True),
    Conjunction("damit", "so that", (("present", "can"), ("past", "could")), False),
)
_COORDINATORS: Final = ((" und", " and"), (", aber", ", but"), (", denn", ", for"), (" oder", " or"))
PERSONAL: Final = tuple(verb for verb in verbs.VERBS if verb.subjects[0] == "person")
ACTIVE: Final = tuple(verb for verb in PERSONAL if not verb.german.preterite)  # what one can intend to do


class Sentences(Clauses):
    """Random sentences; see `Nominals` for what is withheld and what is noted."""

    def sentence(self) -> Pair:
        """One sentence of any kind."""
        kind = self.random.random()
        if kind < 0.46:
            return _finish(self.statement(), ".")
        if kind < 0.54:
            return _finish(self.yes_no(), "?")
        if kind < 0.64:
            return _finish(self.content_question(), "?")
        if kind < 0.8:
            return _finish(self.subordination(), ".")
        if kind < 0.88:
            return _finish(self.report(), ".")
        if kind < 0.93:
            return _finish(self.infinitive(), ".")
        return _finish(self.coordination(), ".")

    def long_sentence(self, words: int) -> Pair:
        """Main clauses, each perhaps with a subordinate one, joined until both languages have more than `words`."""
        joined = self._member()
        while min(len(text.split()) for text in joined) <= words:
            between, following = self.choice(_COORDINATORS), self._member()
            joined = Pair(
                *(f"{one}{link} {other}" for one, link, other in zip(joined, between, following, strict=True))
            )
        return _finish(joined, ".")

    def _member(self) -> Pair:
        kind = self.random.random()
        if kind < 0.5:
            return self.statement()
        member = self.subordination() if kind < 0.8 else self.report()
        return Pair(f"{member.german},", member.english)  # a subordinate clause is closed by a comma, also before und

    def statement(self, tense: str = "", subject: Nominal | None = None) -> Pair:
        """A main clause with the subject or something else in front of its verb."""
        drawn = self.clause(tense, subject=subject)
        self.with_relative_subject(drawn)
        return self._in_front(drawn)

    def _in_front(self, drawn: Drawn) -> Pair:
        clause = drawn.clause
        draw = self.random.random()
        roles = {part.role for part in clause.parts}
        front = english_front = ""
        if draw < 0.22 and "time" in roles:
            front = english_front = "time"
        elif draw < 0.3 and "place" in roles:
            front = english_front = "place"
        elif draw < 0.34 and "cause" in roles:
            front = english_front = "cause"
        elif draw < 0.46 and drawn.object_first:
            front = ACCUSATIVE
        elif draw > 0.93:
            word, meaning = self.choice(adjectives.OPINIONS)
            clause.parts.append(Part("opinion", word, meaning))
            front = english_front = "opinion"
        return Pair(clause.german("second", front=front), clause.english("statement", front=english_front))

    def yes_no(self) -> Pair:
        """Hat der Mann das Buch gekauft?"""
        clause = self.clause().clause
        return Pair(clause.german("first"), clause.english("question"))

    def content_question(self) -> Pair:
        """Wer, wen, wem, was, wo, wohin, wann, warum, mit wem, welches Buch, wie viele Bücher."""
        lead, clause = self._asked()
        if clause.subject is WHO:
            return Pair(clause.german("second"), clause.english("statement"))
        return Pair(clause.german("first", lead=lead.german), clause.english("question", lead=lead.english))

    def _asked(self, tense: str = "") -> tuple[Pair, Clause]:
        """A question word and the clause without what is asked for; the subject is `WHO` where it is asked for."""
        kind = self.random.random()
        if kind < 0.18:
            clause = self.verb_clause(self.choice(PERSONAL), tense, subject=WHO, light=True).clause
            return Pair("wer", "who"), clause
        if kind < 0.36:
            adverb = self.choice((Pair("warum", "why"), Pair("wann", "when"), Pair("wo", "where")))
            somewhere = [verb for verb in PERSONAL if "place" in verb.adjuncts]
            if adverb.german == "wo":
                return adverb, self.verb_clause(self.choice(somewhere), tense, light=True).clause
            drawn = self.clause(tense)
            for role in ("time", "frequency", "cause"):
                _remove(drawn.clause, role)
            return adverb, drawn.clause
        while True:
            mark = self.mark()
            drawn = self.verb_clause(self.choice(verbs.VERBS), tense, light=True)
            lead = self._ask_for(drawn)
            if lead:
                return lead, drawn.clause
            self.forget(mark)

    def _ask_for(self, drawn: Drawn) -> Pair | None:
        """Take one part out of the clause and return its question word; None where there is none to ask for."""
        clause = drawn.clause
        roles = [part.role for part in clause.parts]
        if clause.negated or clause.relative:
            return None
        if "goal" in roles:
            _remove(clause, "goal")
            return Pair("wohin", "where")
        if "location" in roles:
            _remove(clause, "location")
            return Pair("wo", "where")
        if "prepositional" in roles and _is_person(drawn.objects["prepositional"]):
            _remove(clause, "prepositional")
            preposition, case, meaning = drawn.prepositional
            return Pair(f"{preposition} {WHO.german(case)}", f"{meaning} whom")
        if DATIVE in roles and self.chance(0.6):
            _remove(clause, DATIVE)
            entry = clause.verb.object(DATIVE)
            return Pair("wem", f"{entry.english_preposition if entry else ''} whom".strip())
        return self._ask_for_object(drawn) if ACCUSATIVE in roles else None

    def _ask_for_object(self, drawn: Drawn) -> Pair | None:
        thing, clause = drawn.objects[ACCUSATIVE], drawn.clause
        entry = clause.verb.object(ACCUSATIVE)
        assert entry is not None
        if _is_person(thing):
            lead = Pair("wen", "whom")
        elif clause.verb.subjects != ("person",) or not isinstance(thing, NounPhrase):
            return None
        elif (self.chance(0.5) or thing.noun.paired) and clause.verb.name not in verbs.TWO_MEANINGS:
            lead = Pair("was", "what")
        else:
            animate = "animal" in thing.noun.classes  # Welche Katze sieht die Frau? reads as the subject
            if animate and not (thing.form == "m" or clause.subject.marked):
                return None
            word = HOW_MANY if thing.plural and self.chance(0.6) else WHICH
            asked = NounPhrase(thing.noun, thing.plural, word, thing.adjectives)
            lead = Pair(asked.german(ACCUSATIVE), asked.english(ACCUSATIVE))
        _remove(clause, ACCUSATIVE)
        if entry.english_preposition:
            clause.parts.append(Part(ACCUSATIVE, "", entry.english_preposition))
        return lead

    def subordination(self) -> Pair:
        """A main clause with a verb-final one after or before it."""
        conjunction = self.choice(CONJUNCTIONS)
        tense, own = self.choice(conjunction.tenses)
        first = conjunction.first and self.chance(0.4)
        known = self.subject(("person",)) if own in ("can", "could") or self.chance(0.5) else None
        other = anaphor(known) if known else None
        main = self.clause(tense, subject=other if first else known).clause
        if own in ("can", "could"):
            clause = self._able("past" if own == "could" else "present", other)
        else:
            clause = self._affirmed(conjunction, own, known if first else other)
        subordinate = Pair(
            clause.german("last", lead=conjunction.german), clause.english("statement", lead=conjunction.english)
        )
        if first:
            opening = Pair(f"{subordinate.german},", f"{subordinate.english},")
            return Pair(main.german("first", lead=opening.german), main.english("statement", lead=opening.english))
        return Pair(
            f"{main.german('second')}, {subordinate.german}", f"{main.english('statement')} {subordinate.english}"
        )

    def _affirmed(self, conjunction: Conjunction, tense: str, subject: Nominal | None) -> Clause:
        """A clause that is not negated below the conjunctions of time."""
        while True:
            mark = self.mark()
            clause = self.clause(tense, subject=subject).clause
            if not clause.negated or conjunction.german in ("weil", "obwohl", "wenn"):
                return clause
            self.forget(mark)

    def _able(self, tense: str, subject: Nominal | None) -> Clause:
        """A clause with können."""
        while True:
            verb = self.choice(PERSONAL)
            if not verb.german.preterite and self.combine("modal", "können", verb.name):
                return self.verb_clause(verb, tense, subject=subject, modal="können").clause

    def report(self) -> Pair:
        """Ich glaube, dass …; er fragt, ob …; wir wissen nicht, wo …"""
        subject = self.subject(("person",))
        tense = self.choice(("present", "past"))
        if self.chance(0.55):
            main = Clause(subject, self.choice(verbs.THAT), tense)
            own = "past" if tense == "past" else self.choice(("present", "past", "future"))
            clause = self.clause(own, subject=anaphor(subject) if self.chance(0.4) else None).clause
            lead = Pair("dass", "that")
        else:
            main = self._wondering(subject, tense)
            own = "past" if tense == "past" else ""  # not: she did not know who feeds the duck
            lead, clause = self._asked(own) if self.chance(0.6) else (Pair("ob", "whether"), self.clause(own).clause)
            if clause.subject is WHO:
                lead = Pair("", "")
        return Pair(
            f"{main.german('second')}, {clause.german('last', lead=lead.german)}",
            f"{main.english('statement')} {clause.english('statement', lead=lead.english)}",
        )

    def _wondering(self, subject: Nominal, tense: str) -> Clause:
        if self.chance(0.5) or (isinstance(subject, NounPhrase) and subject.determiner in QUANTIFIED):
            return Clause(subject, self.choice(verbs.WHETHER), tense)
        know = next(verb for verb in verbs.THAT if verb.name == "wissen")
        return Clause(subject, know, tense, negated=True)

    def infinitive(self) -> Pair:
        """Er versucht, das Fenster aufzumachen; sie kommt, um das Buch zu lesen."""
        subject = self.subject(("person",))
        if self.chance(0.5):
            main = Clause(subject, self.choice(verbs.TO), self.choice(("present", "past")))
            lead = Pair("", "")
        else:
            main = self.verb_clause(self.choice(PERSONAL), subject=subject).clause
            lead = Pair("um", "in order")
        aim = self.verb_clause(self.choice(ACTIVE), "present", subject=subject, bare=True).clause
        return Pair(
            f"{main.german('second')}, {aim.german('infinitive', lead=lead.german)}",
            f"{main.english('statement')} {aim.english('infinitive', lead=lead.english)}",
        )

    def coordination(self) -> Pair:
        """Two main clauses."""
        between = self.choice(_COORDINATORS)
        first = self.clause()
        again = anaphor(first.clause.subject) if self.chance(0.5) else None
        one, two = self._in_front(first), self.statement(subject=again)
        return Pair(f"{one.german}{between[0]} {two.german}", f"{one.english}{between[1]} {two.english}")


def _is_person(nominal: Nominal) -> bool:
    if isinstance(nominal, NounPhrase):
        return "person" in nominal.noun.classes
    return isinstance(nominal, Name) or (isinstance(nominal, Pronoun) and nominal is not IT)


def _remove(clause: Clause, role: str) -> None:
    clause.parts[:] = [part for part in clause.parts if part.role not in (role, f"{role} pronoun")]


def _finish(pair: Pair, mark: str) -> Pair:
    """Join commas, write the first letter large, and close with a mark."""
    return Pair(*(_written(text, mark) for text in pair))


def _written(text: str, mark: str) -> str:
    text = _COMMAS.sub(",", text).rstrip(", ")
    return text[0].upper() + text[1:] + mark
