"""Prefix beam search finds the texts that walking all paths finds, and in a narrow beam what the plain way finds."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ToyLanguage, begins_words, plain_prefix_beam, random_frames, said_by_paths, spells_words

from nmt.search.ctc import best_path, log_likelihood
from nmt.search.lexicon import Lexicon
from nmt.search.prefix_beam import CTCHypothesis, prefix_beam

few = settings(max_examples=40)
ALL = 10_000
WORDS, SEPARATORS = {(1,), (1, 2), (2, 1, 1)}, {3}

seeds = st.integers(0, 10_000)
zeros = st.sampled_from([0.0, 0.3])
small = st.builds(random_frames, seeds, st.integers(1, 5), st.integers(2, 4), zeros=zeros)
larger = st.builds(
    random_frames, seeds, st.integers(1, 12), st.integers(2, 7), sharpness=st.sampled_from([0.3, 1.0, 3.0]), zeros=zeros
)
weights = st.sampled_from([0.0, 0.7, 2.0])
bonuses = st.sampled_from([-1.0, 0.0, 1.5])


def frames(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def assert_same(found: list[CTCHypothesis], expected: dict[tuple[int, ...], tuple[float, float]]) -> None:
    """The texts in order, each with its likelihood and its score."""
    ranked = sorted(expected, key=lambda ids: expected[ids][1], reverse=True)
    assert [one.ids for one in found] == ranked
    assert [one.log_likelihood for one in found] == pytest.approx([expected[ids][0] for ids in ranked], abs=1e-9)
    assert [one.score for one in found] == pytest.approx([expected[ids][1] for ids in ranked], abs=1e-9)


@few
@given(world=small)
def test_a_wide_beam_finds_every_text_with_its_exact_likelihood(world: list[list[float]]) -> None:
    expected = {ids: (said.log_likelihood,) * 2 for ids, said in said_by_paths(world).items()}
    assert_same(prefix_beam(frames(world), beam_size=ALL, top_symbols=0, nbest=ALL), expected)


@few
@given(world=small, seed=seeds, weight=weights, bonus=bonuses)
def test_a_wide_beam_ranks_every_text_with_the_language_model(
    world: list[list[float]], seed: int, weight: float, bonus: float
) -> None:
    language = ToyLanguage(seed, len(world[0]))
    expected = {}
    for ids, said in said_by_paths(world).items():
        fused = said.log_likelihood + weight * language.log_probability(ids) + bonus * len(ids)
        expected[ids] = (said.log_likelihood, fused)
    found = prefix_beam(
        frames(world),
        beam_size=ALL,
        top_symbols=0,
        nbest=ALL,
        scorer=language,
        language_weight=weight,
        insertion_bonus=bonus,
    )
    assert_same(found, expected)


@few
@given(seed=seeds, length=st.integers(1, 5), zeros=zeros)
def test_a_wide_beam_with_a_lexicon_finds_every_text_of_its_words(seed: int, length: int, zeros: float) -> None:
    world = random_frames(seed, length, 4, zeros=zeros)
    expected = {
        ids: (said.log_likelihood,) * 2
        for ids, said in said_by_paths(world).items()
        if spells_words(ids, WORDS, SEPARATORS)
    }
    lexicon = Lexicon(WORDS, SEPARATORS)
    assert_same(prefix_beam(frames(world), beam_size=ALL, top_symbols=0, nbest=ALL, lexicon=lexicon), expected)


@few
@given(world=larger, beam_size=st.integers(1, 6), top_symbols=st.integers(0, 3))
def test_a_narrow_beam_keeps_what_a_plain_search_keeps(
    world: list[list[float]], beam_size: int, top_symbols: int
) -> None:
    expected = plain_prefix_beam(world, beam_size=beam_size, top_symbols=top_symbols)
    found = prefix_beam(frames(world), beam_size=beam_size, top_symbols=top_symbols, nbest=ALL)
    assert {one.ids for one in found} == set(expected)


@few
@given(
    world=larger,
    seed=seeds,
    beam_size=st.integers(1, 4),
    top_symbols=st.integers(0, 3),
    weight=weights,
    bonus=bonuses,
)
def test_a_narrow_beam_with_a_language_model_keeps_what_a_plain_search_keeps(
    world: list[list[float]], seed: int, beam_size: int, top_symbols: int, weight: float, bonus: float
) -> None:
    language = ToyLanguage(seed, len(world[0]))
    expected = plain_prefix_beam(
        world, beam_size=beam_size, top_symbols=top_symbols, language=language, weight=weight, bonus=bonus
    )
    found = prefix_beam(
        frames(world),
        beam_size=beam_size,
        top_symbols=top_symbols,
        nbest=ALL,
        scorer=language,
        language_weight=weight,
        insertion_bonus=bonus,
    )
    assert {one.ids for one in found} == set(expected)


@few
@given(seed=seeds, length=st.integers(1, 9), beam_size=st.integers(1, 5))
def test_a_narrow_beam_with_a_lexicon_keeps_what_a_plain_search_keeps(seed: int, length: int, beam_size: int) -> None:
    world = random_frames(seed, length, 5)
    whole: set[tuple[int, ...]] = set()
    for widened in (beam_size, 4 * beam_size, 16 * beam_size):
        if not whole:
            kept = plain_prefix_beam(world, beam_size=widened, allowed=lambda ids: begins_words(ids, WORDS, {3, 4}))
            whole = {ids for ids in kept if spells_words(ids, WORDS, {3, 4})}
    found = prefix_beam(frames(world), beam_size=beam_size, nbest=ALL, lexicon=Lexicon(WORDS, {3, 4}))
    assert {one.ids for one in found} == whole


def test_texts_that_can_end_nowhere_are_cut_back_to_behind_their_last_word() -> None:
    say = [1, 0, 3, 2, 1]  # the word 1, the separator 3, and then a word that has no end here: 2 1 1
    rows = torch.full((5, 4), -torch.inf)
    rows[range(5), say] = 0.0
    (found,) = prefix_beam(rows, beam_size=2, nbest=9, lexicon=Lexicon(WORDS, SEPARATORS))
    assert found == CTCHypothesis((1, 3), -math.inf, -math.inf)


def test_ways_to_a_text_are_added_where_the_greatest_would_choose_another() -> None:
    rows = torch.tensor([[0.6, 0.4]] * 2).log()  # the best path is two blanks, 0.36; three others say [1]
    assert best_path(rows[None], torch.tensor([2])) == [[]]
    (found,) = prefix_beam(rows, beam_size=2)
    assert found.ids == (1,)
    assert math.exp(found.log_likelihood) == pytest.approx(0.64)


def test_a_beam_of_one_still_adds() -> None:
    rows = torch.tensor([[0.4, 0.6], [0.7, 0.3]]).log()
    (found,) = prefix_beam(rows, beam_size=1)
    assert found.ids == (1,) and math.exp(found.score) == pytest.approx(0.6 + 0.4 * 0.3)


def test_equal_texts_are_ranked_kept_ones_first_then_by_the_smaller_id() -> None:
    rows = torch.full((1, 4), 0.25).log()
    assert [one.ids for one in prefix_beam(rows, beam_size=3, nbest=3)] == [(), (1,), (2,)]


def test_only_the_best_symbols_of_a_frame_begin_new_texts() -> None:
    rows = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    assert {one.ids for one in prefix_beam(rows, beam_size=9, nbest=9, top_symbols=1)} == {(), (3,)}
    assert {one.ids for one in prefix_beam(rows, beam_size=9, nbest=9, top_symbols=2)} == {(), (3,), (2,)}
    assert len(prefix_beam(rows, beam_size=9, nbest=9, top_symbols=0)) == 4


@few
@given(world=larger, seed=seeds)
def test_the_language_model_is_asked_once_for_each_text_and_symbol(world: list[list[float]], seed: int) -> None:
    language = ToyLanguage(seed, len(world[0]))
    prefix_beam(frames(world), beam_size=4, scorer=language, language_weight=1.0)
    assert len(language.asked) == len(set(language.asked))


def test_a_language_model_without_weight_is_not_asked() -> None:
    language = ToyLanguage(1, 4)
    plain = prefix_beam(frames(random_frames(3, 6, 4)), beam_size=4, nbest=4)
    assert prefix_beam(frames(random_frames(3, 6, 4)), beam_size=4, nbest=4, scorer=language) == plain
    assert not language.asked


class NeuralLanguage:
    """A recurrent network at the seam: the distribution after a state is computed when it is first asked for."""

    def __init__(self, symbols: int) -> None:
        self.embedding = torch.nn.Embedding(symbols, 5)
        self.cell = torch.nn.GRUCell(5, 5)
        self.output = torch.nn.Linear(5, symbols)
        self.steps = 0

    def start(self) -> Any:
        return (torch.zeros(5), 0, {})  # hidden before the last symbol, the last symbol, what has been computed

    def _read(self, state: Any) -> tuple[torch.Tensor, list[float]]:
        hidden, symbol, computed = state
        if not computed:
            self.steps += 1
            with torch.no_grad():
                after = self.cell(self.embedding(torch.tensor(symbol)), hidden)
                computed["all"] = (after, self.output(after).log_softmax(0).tolist())
        return computed["all"]

    def extend(self, state: Any, symbol: int) -> tuple[float, Any]:
        hidden, row = self._read(state)
        return row[symbol], (hidden, symbol, {})

    def finish(self, state: Any) -> float:
        return self._read(state)[1][0]


def test_a_neural_language_model_fits_the_seam() -> None:
    torch.manual_seed(3)
    language = NeuralLanguage(4)
    world = random_frames(5, 5, 4)
    expected = {}
    for ids, said in said_by_paths(world).items():
        state, total = language.start(), 0.0
        for symbol in ids:
            value, state = language.extend(state, symbol)
            total += value
        expected[ids] = (said.log_likelihood, said.log_likelihood + 0.8 * (total + language.finish(state)))
    language.steps = 0
    found = prefix_beam(frames(world), beam_size=ALL, top_symbols=0, nbest=ALL, scorer=language, language_weight=0.8)
    assert_same(found, expected)
    assert language.steps <= len(expected)  # once for each text, not for each question


def test_no_frames_say_the_empty_text() -> None:
    assert prefix_beam(torch.zeros(0, 5), beam_size=4, nbest=4) == [CTCHypothesis((), 0.0, 0.0)]


def test_frames_that_no_path_can_say_give_the_empty_text_with_probability_zero() -> None:
    rows = torch.full((2, 3), -torch.inf)
    assert prefix_beam(rows, beam_size=4, nbest=4) == [CTCHypothesis((), -math.inf, -math.inf)]


def test_the_likelihood_counts_paths_that_a_narrow_beam_has_lost() -> None:
    world = frames(random_frames(8, 40, 10, sharpness=0.5))
    for one in prefix_beam(world, beam_size=3, nbest=3):
        assert one.log_likelihood == pytest.approx(log_likelihood(world, one.ids))


@pytest.mark.parametrize(
    "options",
    [{"beam_size": 0}, {"nbest": 0}, {"top_symbols": -1}, {"language_weight": -0.1}],
    ids=["beam", "nbest", "top", "weight"],
)
def test_sizes_and_weights_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        prefix_beam(torch.zeros(2, 3), **{"beam_size": 2, **options})


def test_frames_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        prefix_beam(torch.full((2, 3), torch.nan), beam_size=2)


def test_a_bonus_lifts_a_new_text_over_one_that_was_kept() -> None:
    rows = torch.tensor([[0.5, 0.3, 0.2]]).log()
    assert prefix_beam(rows, beam_size=1, insertion_bonus=2.0)[0].ids == (1,)
    assert prefix_beam(rows.expand(2, 3), beam_size=1, insertion_bonus=2.0)[0].ids == (1, 2)
    assert prefix_beam(rows, beam_size=1, insertion_bonus=0.1)[0].ids == ()
