"""Searches for the best target under a model, through the `Stepper` protocol; they know no model and no file."""

from nmt.search.beam import SearchOptions, beam_search
from nmt.search.greedy import greedy_search
from nmt.search.hypothesis import Hypothesis
from nmt.search.stepper import Scored, Stepper

__all__ = ["Hypothesis", "Scored", "SearchOptions", "Stepper", "beam_search", "greedy_search"]
