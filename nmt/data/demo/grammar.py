"""Draws any clause that can stand by itself, with a relative clause on its subject or object now and then."""

from dataclasses import replace

from nmt.data.demo import verbs
from nmt.data.demo.facts import Facts
from nmt.data.demo.german import ACCUSATIVE
from nmt.data.demo.phrases import Nominal, NounPhrase
from nmt.data.demo.relatives import Relatives
from nmt.data.demo.verb_clauses import Drawn, verbs_for


class Clauses(Facts, Relatives):
    """Random clauses; see `Nominals` for what is withheld and what is noted."""

    def clause(self, tense: str = "", *, subject: Nominal | None = None) -> Drawn:
        """A statement with a drawn or given subject (a person) in a drawn or given tense."""
        if subject is None and tense != "pluperfect":
            kind = self.random.random()
            for limit, draw in (
                (0.08, self.predicate),
                (0.11, self.comparison),
                (0.14, self.profession),
                (0.2, self.number_fact),
                (0.235, self.existence),
                (0.255, self.weather),
            ):
                if kind < limit:
                    return draw(tense)
        options = verbs.VERBS if subject is None else verbs_for(frozenset(("person",)))
        if tense == "pluperfect":
            options = tuple(verb for verb in options if not verb.german.preterite)
        return self.with_relative_object(self.verb_clause(self.choice(options), tense, subject=subject))

    def with_relative_object(self, drawn: Drawn) -> Drawn:
        """Sometimes with a relative clause on the object, where nothing else in English follows it."""
        clause, thing = drawn.clause, drawn.objects.get(ACCUSATIVE)
        if not isinstance(thing, NounPhrase) or thing.owner or len(clause.parts) > 1 or clause.negated:
            return drawn
        if self.chance(0.16):
            clause.relative = self.relative(thing.noun, thing.plural)
        return drawn._replace(object_first=False) if clause.relative else drawn

    def with_relative_subject(self, drawn: Drawn) -> None:
        """Sometimes put a relative clause on the subject."""
        subject = drawn.clause.subject
        if isinstance(subject, NounPhrase) and not subject.owner and not drawn.clause.relative and self.chance(0.12):
            relative = self.relative(subject.noun, subject.plural)
            drawn.clause.subject = replace(subject, relative=relative)
