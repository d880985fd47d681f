"""What every search does before its first step: look at its arguments, and leave out sentences of maximum length 0."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.stepper import Stepper


def check_tokens(stepper: Stepper, tokens: tuple[int, ...]) -> None:
    """ValueError if a token that the search treats specially is not in the stepper's vocabulary."""
    for token in tokens:
        if not 0 <= token < stepper.vocabulary_size:
            raise ValueError(f"token {token} is not in the stepper's vocabulary of {stepper.vocabulary_size}")


def start_sentences(stepper: Stepper, maximum_lengths: Int[Tensor, " B"]) -> tuple[Int[Tensor, " b"], Any]:
    """The sentences to search, ascending, and the stepper's state before their first token (one row each)."""
    sentences = (maximum_lengths > 0).nonzero().squeeze(1)
    state = stepper.start() if sentences.shape[0] > 0 else None
    if 0 < sentences.shape[0] < maximum_lengths.shape[0]:
        state = stepper.reorder(state, sentences, torch.zeros_like(sentences).unsqueeze(1))
    return sentences, state
