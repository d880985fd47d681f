"""Searches for the best target under a model, through the `Stepper` protocol; they know no model and no file."""

from nmt.search.alignment import hard_alignment
from nmt.search.beam import SearchOptions, beam_search
from nmt.search.combine import Linear, LogLinear
from nmt.search.greedy import greedy_search
from nmt.search.hypothesis import Hypothesis
from nmt.search.minimum import MinimumLengths
from nmt.search.prefix import ForcedPrefix
from nmt.search.repetition import NoRepeatNgram, RepetitionPenalty
from nmt.search.sampling import SamplingOptions, sample_search
from nmt.search.stepper import Scored, Stepper

__all__ = [
    "ForcedPrefix",
    "Hypothesis",
    "Linear",
    "LogLinear",
    "MinimumLengths",
    "NoRepeatNgram",
    "RepetitionPenalty",
    "SamplingOptions",
    "Scored",
    "SearchOptions",
    "Stepper",
    "beam_search",
    "greedy_search",
    "hard_alignment",
    "sample_search",
]
