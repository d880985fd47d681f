"""A language model over an alphabet's ids says of them what it says of their characters."""

import pytest
import torch

from nmt.inference.ctc_tuning import language_log_probability
from nmt.inference.line_search import CharacterScorer
from nmt.search.prefix_beam import LanguageScorer, prefix_beam
from nmt.text.alphabet import Alphabet
from nmt.text.ngram import estimate

ALPHABET = Alphabet.of(["the cat, 9 hats"])


def frames_of(text: str, *, unsure: dict[int, str]) -> torch.Tensor:
    """Each character and then a blank, sure but for some places, where another character is a little more probable."""
    rows = torch.full((2 * len(text), len(ALPHABET)), 1e-3)
    for place, symbol in enumerate(ALPHABET.encode(text)):
        rows[2 * place, symbol] = 1.0
        rows[2 * place + 1, 0] = 1.0
        if place in unsure:
            rows[2 * place, ALPHABET.encode(unsure[place])] = 1.1
    return (rows / rows.sum(dim=1, keepdim=True)).log()


def test_ids_are_scored_as_their_characters() -> None:
    model = estimate(["the cat", "the hats", "that"], 4)
    scorer = CharacterScorer(model, ALPHABET)
    assert isinstance(scorer, LanguageScorer)
    for text in ["the cat", "9 cats", "", "that,"]:
        assert language_log_probability(scorer, ALPHABET.encode(text)) == pytest.approx(model.log_probability(text))


def test_a_language_model_reads_what_the_frames_leave_open() -> None:
    rows = frames_of("the cat", unsure={1: "a", 5: "h"})
    alone = prefix_beam(rows, beam_size=8)[0]
    assert ALPHABET.decode(alone.ids) == "tae cht"
    scorer = CharacterScorer(estimate(["the cat", "the hats", "that"], 4), ALPHABET)
    fused = prefix_beam(rows, beam_size=8, scorer=scorer, language_weight=0.5)[0]
    assert ALPHABET.decode(fused.ids) == "the cat"
