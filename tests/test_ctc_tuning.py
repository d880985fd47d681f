"""Tuning finds the grid's best point where searching all of it does, with far fewer searches."""

from itertools import product

import pytest
import torch
from oracles import ToyLanguage, random_frames

from nmt.inference import ctc_tuning
from nmt.inference.ctc_tuning import Weights, language_log_probability, tune_language
from nmt.search.prefix_beam import prefix_beam

LINES = [torch.tensor(random_frames(seed, 5, 3, sharpness=0.8)) for seed in range(10)]
GRID = {"language_weights": (0.0, 0.5, 1.0, 1.5), "insertion_bonuses": (-1.0, 0.0, 1.0)}


def first(weights: Weights, line: torch.Tensor, language: ToyLanguage) -> tuple[int, ...]:
    alpha, beta = weights
    return prefix_beam(line, beam_size=20, scorer=language, language_weight=alpha, insertion_bonus=beta)[0].ids


@pytest.mark.parametrize("truth", [Weights(0.0, 0.0), Weights(1.0, 1.0), Weights(1.5, -1.0)], ids=str)
def test_the_best_point_is_found_and_its_errors_are_those_of_its_search(truth: Weights) -> None:
    language = ToyLanguage(7, 3)
    references = [first(truth, line, language) for line in LINES]

    def errors(line: int, ids: tuple[int, ...]) -> float:
        return float(ids != references[line])

    found = tune_language(LINES, errors, scorer=language, beam_size=20, **GRID)
    by_hand = {
        weights: sum(errors(number, first(weights, line, language)) for number, line in enumerate(LINES))
        for weights in (Weights(*point) for point in product(*GRID.values()))
    }
    assert found.errors == min(by_hand.values()) == 0.0
    assert by_hand[found.weights] == 0.0
    assert all(by_hand[weights] == value for weights, value in found.searched.items())
    assert len(found.searched) <= 5 < len(by_hand)


def test_the_weights_it_starts_from_are_searched_even_off_the_grid_so_tuning_harms_nothing() -> None:
    """A middle of the grid that ranked best by luck was once chosen over better weights that stood in the options."""
    language, start = ToyLanguage(7, 3), Weights(0.77, 0.33)
    references = [first(start, line, language) for line in LINES]

    def errors(line: int, ids: tuple[int, ...]) -> float:
        return float(ids != references[line])

    narrow = {"language_weights": (0.0, 3.0), "insertion_bonuses": (-3.0, 3.0)}
    assert tune_language(LINES, errors, scorer=language, beam_size=20, **narrow).errors > 0
    found = tune_language(LINES, errors, scorer=language, start=start, beam_size=20, **narrow)
    assert found.weights == start and found.errors == 0.0 == found.searched[start]


def test_equally_good_points_give_the_smallest_weights() -> None:
    found = tune_language(LINES[:2], lambda line, ids: 1.0, scorer=ToyLanguage(7, 3), beam_size=5, **GRID)
    assert found.weights == Weights(0.0, 0.0)


def test_no_text_is_judged_twice_and_no_line_searched_twice_at_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, searched = [], []

    def errors(line: int, ids: tuple[int, ...]) -> float:
        judged.append((line, ids))
        return float(len(ids) != 3)

    def counted(log_probs: torch.Tensor, **options: object) -> object:
        searched.append((id(log_probs), options["language_weight"], options["insertion_bonus"]))
        return prefix_beam(log_probs, **options)

    monkeypatch.setattr(ctc_tuning, "prefix_beam", counted)
    tune_language(LINES, errors, scorer=ToyLanguage(7, 3), beam_size=5, **GRID)
    assert len(judged) == len(set(judged))
    assert len(searched) == len(set(searched))


def test_a_text_as_language_includes_its_end() -> None:
    language = ToyLanguage(3, 4)
    assert language_log_probability(language, (1, 2, 2)) == pytest.approx(language.log_probability((1, 2, 2)))


@pytest.mark.parametrize(("lines", "weights"), [([], (0.0,)), (LINES, ())], ids=["lines", "grid"])
def test_nothing_to_tune_on_is_refused(lines: list[torch.Tensor], weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        tune_language(lines, lambda line, ids: 0.0, scorer=ToyLanguage(1, 4), language_weights=weights)
