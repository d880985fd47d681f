"""The embedded corpus: German sentences with their English translations, drawn from a small synchronous grammar.

It is a test bench, not a translator's training material: some five hundred words in well-formed sentences that mean
little, to see within minutes whether a model learns word order, agreement and copying. A German sentence has exactly
one English one. Names in the held-out sets never occur in training; `test_long` holds sentences longer than any in
training, and `test_new` holds combinations of words that training shows only apart.

    lexicon      nouns.py · adjectives.py (and adverbs) · verbs.py · names.py
    inflection   german.py · english.py
    structure    phrases.py (noun phrases) · clause.py (word order), both in two languages at once
    drawing      nominals.py → adverbials.py → verb_clauses.py → facts.py, relatives.py → grammar.py → sentences.py
    splits       withheld.py · corpus.py
"""

from typing import Final

from nmt.data.demo.corpus import SPLITS, generate

DEMO_LANGUAGES: Final = ("de", "en")

__all__ = ["DEMO_LANGUAGES", "SPLITS", "generate"]
