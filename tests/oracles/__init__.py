"""What the tests judge by: small worlds where everything can be counted. Imports nothing that it judges."""

from oracles.edits import plain_edits
from oracles.language import PlainKneserNey, ToyLanguage, begins_words, spells_words
from oracles.paths import Said, random_frames, said_by_paths
from oracles.prefix_beam import plain_prefix_beam
from oracles.sentences import (
    Entry,
    exhaustive,
    kept_tokens,
    naive_beam,
    naive_diverse_beam,
    naive_greedy,
    sampled_sentences,
    split_mix,
)
from oracles.stepper import WorldScores, WorldState, WorldStepper
from oracles.worlds import (
    END,
    PAD,
    START,
    VOCABULARY,
    WORDS,
    Altered,
    AtLeast,
    Penalised,
    Prefixed,
    Together,
    WithoutRepeats,
    World,
    float32,
)

__all__ = [
    "plain_edits",
    "ToyLanguage",
    "spells_words",
    "begins_words",
    "PlainKneserNey",
    "Said",
    "said_by_paths",
    "random_frames",
    "plain_prefix_beam",
    "Entry",
    "exhaustive",
    "naive_beam",
    "naive_diverse_beam",
    "naive_greedy",
    "kept_tokens",
    "sampled_sentences",
    "split_mix",
    "WorldScores",
    "WorldState",
    "WorldStepper",
    "PAD",
    "END",
    "START",
    "WORDS",
    "VOCABULARY",
    "float32",
    "World",
    "Altered",
    "WithoutRepeats",
    "Penalised",
    "Prefixed",
    "AtLeast",
    "Together",
]
