"""Sampling against the distribution of all sentences of small worlds, and its random numbers against plain integers."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import (
    END,
    PAD,
    START,
    World,
    WorldState,
    WorldStepper,
    kept_tokens,
    sampled_sentences,
    split_mix,
)
from small_worlds import Broken, Problem, problems, scored_tokens, walk

from nmt.search import Hypothesis, Stepper
from nmt.search.chances import chances
from nmt.search.sampling import SamplingOptions, draw, sample_search


def sample(
    problem: Problem, options: SamplingOptions, *, numbers: list[int] | None = None, stepper: Stepper | None = None
) -> list[list[Hypothesis]]:
    return sample_search(
        stepper or WorldStepper(problem.worlds, garbage=0.01),
        start=START,
        end=END,
        maximum_lengths=torch.tensor(problem.limits),
        options=options,
        numbers=None if numbers is None else torch.tensor(numbers),
        forbidden=(PAD,),
        source_lengths=torch.tensor([world.positions for world in problem.worlds]),
    )


# --- what is drawn ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("top_k", "top_p", "temperature", "min_length"),
    [(0, 1.0, 1.0, 0), (0, 1.0, 0.5, 0), (2, 1.0, 1.0, 0), (0, 0.7, 1.0, 0), (3, 0.8, 2.0, 1), (0, 1.0, 1.5, 2)],
)
def test_sentences_are_drawn_as_often_as_they_should_be(
    top_k: int, top_p: float, temperature: float, min_length: int
) -> None:
    many = 4000
    options = SamplingOptions(
        samples=many, top_k=top_k, top_p=top_p, temperature=temperature, min_length=min_length, seed=5
    )
    problem = Problem([World(seed=8, sharpness=1.0), World(seed=9, sharpness=0.5)], [3, 2])
    for world, limit, found in zip(*problem, sample(problem, options), strict=True):
        expected = sampled_sentences(
            world, limit, top_k=top_k, top_p=top_p, temperature=temperature, min_length=min_length
        )
        counted = Counter(scored_tokens(hypothesis) for hypothesis in found)
        assert sum(expected.values()) == pytest.approx(1.0)
        assert counted.keys() <= expected.keys()
        # Pearson's statistic over cells of at least five expected, the rest in one; mean df, variance 2 df
        cells = [(counted[scored], many * share) for scored, share in expected.items() if many * share >= 5]
        rest = (many - sum(seen for seen, _ in cells), max(0.0, many - sum(wanted for _, wanted in cells)))
        cells += [rest] if rest[1] >= 5 else []
        statistic = sum((seen - wanted) ** 2 / wanted for seen, wanted in cells)
        degrees = len(cells) - 1
        assert statistic < degrees + 4 * math.sqrt(2 * degrees)
        assert rest[0] <= rest[1] + 4 * math.sqrt(rest[1]) + 4


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**30),
    size=st.sampled_from([1, 2, 5, 64, 129, 300]),
    steps=st.sampled_from([2, 1000]),
    top_k=st.sampled_from([0, 0, 1, 3, 130, 1000]),
    top_p=st.sampled_from([0.001, 0.3, 0.9, 0.999, 1.0]),
    temperature=st.sampled_from([0.1, 1.0, 3.0]),
)
@example(seed=1, size=300, steps=2, top_k=0, top_p=0.9, temperature=1.0)
@example(seed=2, size=1500, steps=2, top_k=0, top_p=0.99, temperature=1.0)
def test_tokens_are_those_that_a_plain_truncation_keeps_each_with_its_share(
    seed: int, size: int, steps: int, top_k: int, top_p: float, temperature: float
) -> None:
    """Two levels of probability make many ties; a flat distribution of 300 tokens has a nucleus of more than 128."""
    generator = torch.Generator().manual_seed(seed)
    logs = (torch.randint(steps, (2, 1, size), generator=generator) * (2.0 / steps)).log_softmax(-1)
    logs[1, 0, size // 2 + 1 :] = -torch.inf
    options = SamplingOptions(top_k=top_k, top_p=top_p, temperature=temperature)
    for row in range(2):
        kept = kept_tokens(logs[row, 0].tolist(), top_k=top_k, top_p=top_p, temperature=temperature)
        if top_k == 0 and top_p == 1.0:
            kept.sort()  # read off in the order of the vocabulary
        begin, points, expected = 0.0, [], []
        for token, share in kept:
            points += [begin + 0.001 * share, begin + 0.999 * share]
            expected += [token, token]
            begin += share
        # the other row, with other probabilities, is company that must not matter
        company = logs[[row, 1 - row]].expand(2, len(points), size)
        drawn = draw(company, torch.tensor([points, points], dtype=torch.float64), options)
        assert drawn[0].tolist() == expected


def plainly_drawn(logs: torch.Tensor, chance: float, top_p: float) -> int:
    """A token by its row alone, all of which is put in order."""
    order = logs.sort(descending=True, stable=True).indices
    weights = (logs - logs.max()).double().exp()
    ranked = weights[order]
    ranked[ranked.cumsum(0) - ranked >= top_p * weights.sum()] = 0.0
    return int(order[int((ranked.cumsum(0) <= chance * ranked.sum()).sum())])


@pytest.mark.parametrize("top_p", [0.5, 0.9, 0.999])
def test_narrow_and_wide_nuclei_of_one_batch_are_drawn_from_as_each_alone(top_p: float) -> None:
    """From a few tokens to nearly all of 9,000: some are looked at once, some again, some among many equals."""
    generator = torch.Generator().manual_seed(4)
    sharpness = torch.tensor([8.0, 4.0, 3.0, 2.0, 1.0, 0.0] * 10).unsqueeze(1)
    logs = torch.randn(60, 9000, generator=generator) * sharpness
    logs[10:20] = logs[10:20].round()
    logs[30:40, 1000:] = -torch.inf
    logs[59] = torch.nan  # of a row that is no longer drawn
    chance = torch.rand(60, generator=generator, dtype=torch.float64)
    drawn = draw(logs.view(12, 5, -1), chance.view(12, 5), SamplingOptions(top_p=top_p)).flatten().tolist()
    assert drawn[:59] == [plainly_drawn(logs[row], float(chance[row]), top_p) for row in range(59)]


def test_extreme_numbers_still_draw_what_is_possible() -> None:
    logs = torch.tensor([[[-torch.inf, -1e-9, -torch.inf, -30.0, -torch.inf]]]).expand(1, 2, 5)
    ends = torch.tensor([[0.0, 1.0 - 2.0**-48]], dtype=torch.float64)
    for options in (
        SamplingOptions(),
        SamplingOptions(top_k=5),
        SamplingOptions(top_p=0.5),
        SamplingOptions(temperature=0.01),
        SamplingOptions(temperature=100.0, top_p=0.999),
    ):
        assert set(draw(logs, ends, options)[0].tolist()) <= {1, 3}


# --- which random numbers ---------------------------------------------------------------------------------------

counters = st.integers(0, 2**62)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), number=counters, draws=st.integers(0, 1000), step=st.integers(1, 1000))
def test_random_numbers_are_split_mix(seed: int, number: int, draws: int, step: int) -> None:
    (found,) = chances(seed, torch.tensor([number]), torch.tensor([draws]), step).tolist()
    assert found == split_mix(seed, number, draws, step)
    assert 0.0 <= found < 1.0


def test_random_numbers_are_even_and_unlike() -> None:
    grid = [
        chances(seed, torch.arange(20).view(-1, 1), torch.arange(20), step) for seed in (0, 1) for step in (1, 2, 3)
    ]
    numbers = torch.stack(grid).flatten()
    assert numbers.unique().numel() == numbers.numel() == 2400
    assert torch.histc(numbers, 10, 0.0, 1.0).sub(240).abs().max() < 70  # 4.5 standard deviations


@settings(max_examples=40, deadline=None)
@given(problem=problems(), samples=st.integers(1, 4), top_p=st.sampled_from([1.0, 0.8]), data=st.data())
def test_a_sentence_is_given_the_same_draws_in_any_company(
    problem: Problem, samples: int, top_p: float, data: st.DataObject
) -> None:
    options = SamplingOptions(samples=samples, top_p=top_p, seed=data.draw(st.integers(0, 5)))
    numbers = data.draw(st.lists(counters, min_size=len(problem.limits), max_size=len(problem.limits)))
    order = data.draw(st.permutations(range(len(problem.limits))))
    shuffled = Problem([problem.worlds[i] for i in order], [problem.limits[i] for i in order])
    together = sample(shuffled, options, numbers=[numbers[i] for i in order])
    for i, found in zip(order, together, strict=True):
        one = Problem([problem.worlds[i]], [problem.limits[i]])
        (alone,) = sample(one, options, numbers=[numbers[i]])
        (fewer,) = sample(one, SamplingOptions(samples=1, top_p=top_p, seed=options.seed), numbers=[numbers[i]])
        assert [h._replace(attention=None) for h in found] == [h._replace(attention=None) for h in alone]
        assert fewer[0].tokens == alone[0].tokens  # the first draw does not depend on how many follow


def test_another_seed_number_or_draw_is_another_sample() -> None:
    worlds = [World(seed=1, sharpness=0.1)] * 2
    drawn = set()
    for seed in (1, 2):
        for found in sample(Problem(worlds, [12, 12]), SamplingOptions(samples=2, seed=seed, min_length=11)):
            drawn |= {hypothesis.tokens for hypothesis in found}
    assert len(drawn) == 8


# --- what is reported -------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(problem=problems(), samples=st.integers(1, 4), min_length=st.integers(0, 3))
def test_what_is_reported_is_the_stepper_s_own(problem: Problem, samples: int, min_length: int) -> None:
    options = SamplingOptions(samples=samples, temperature=2.0, top_k=4, min_length=min_length)
    for world, limit, found in zip(*problem, sample(problem, options), strict=True):
        assert len(found) == samples
        for hypothesis in found:
            scored = scored_tokens(hypothesis)
            if limit == 0:
                assert hypothesis == Hypothesis((), 0.0, 0.0, (), None, False)
                continue
            logs, attention = walk(WorldStepper([world]), scored)
            assert list(hypothesis.token_log_probabilities) == logs
            assert hypothesis.score == hypothesis.log_probability == pytest.approx(sum(logs))
            assert hypothesis.attention is not None
            assert torch.equal(hypothesis.attention, attention)
            assert hypothesis.finished or len(scored) == limit
            assert PAD not in scored
            assert not hypothesis.finished or len(hypothesis.tokens) >= min_length


def test_rows_and_sentences_leave_with_the_last_of_their_draws() -> None:
    class Counted(WorldStepper):
        def step(self, tokens: torch.Tensor, state: WorldState) -> Any:
            self.shapes = [*getattr(self, "shapes", []), tuple(tokens.shape)]
            return super().step(tokens, state)

    problem = Problem([World(seed=i, sharpness=0.1) for i in range(3)], [9, 9, 9])
    stepper = Counted(problem.worlds)
    lengths = [
        [len(scored_tokens(h)) for h in found] for found in sample(problem, SamplingOptions(samples=4), stepper=stepper)
    ]
    for step, shape in enumerate(stepper.shapes):
        live = [sum(length > step for length in row) for row in lengths]
        assert shape == (sum(count > 0 for count in live), max(live))
    assert len(stepper.shapes) == max(map(max, lengths))
    assert stepper.shapes[0] == (3, 4)
    assert len(set(stepper.shapes)) > 3


def test_what_a_stepper_says_behind_the_end_does_not_matter() -> None:
    class Nonsense(WorldStepper):
        number = math.nan

        def step(self, tokens: torch.Tensor, state: WorldState) -> Any:
            said, after = super().step(tokens, state)
            logs = said.log_probabilities.masked_fill((tokens == END).unsqueeze(2), self.number)
            return said._replace(log_probabilities=logs), after

    problem = Problem([World(seed=i, sharpness=0.1) for i in range(3)], [9, 9, 9])
    expected = sample(problem, SamplingOptions(samples=4, top_k=4))
    for number in (math.nan, -math.inf):
        stepper = Nonsense(problem.worlds)
        stepper.number = number
        assert texts(sample(problem, SamplingOptions(samples=4, top_k=4), stepper=stepper)) == texts(expected)


def texts(found: list[list[Hypothesis]]) -> list[list[tuple[int, ...]]]:
    return [[hypothesis.tokens for hypothesis in hypotheses] for hypotheses in found]


def test_attention_is_left_out_where_it_is_not_wanted_or_not_given() -> None:
    for gives in (True, False):
        stepper = WorldStepper([World(1)], gives_attention=gives)
        ((found,),) = sample_search(
            stepper,
            start=START,
            end=END,
            maximum_lengths=torch.tensor([3]),
            options=SamplingOptions(),
            with_attention=not gives,
        )
        assert found.attention is None


def test_without_a_maximum_above_zero_nothing_is_asked() -> None:
    stepper = WorldStepper([World(1)])
    (found,) = sample(Problem([World(1)], [0]), SamplingOptions(samples=2), stepper=stepper)
    assert [h.tokens for h in found] == [(), ()]
    assert stepper.batches == []
    nobody = torch.zeros(0, dtype=torch.long)
    assert (
        sample_search(WorldStepper([]), start=START, end=END, maximum_lengths=nobody, options=SamplingOptions()) == []
    )


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_numbers_that_cannot_be_are_an_error_with_a_place(number: float) -> None:
    place = r"token 2 of sentences \[1\]" if number != number else "sentence 1 of the batch has probability 0"
    with pytest.raises(ValueError, match=place):
        sample(Problem([World(1), World(2)], [9, 9]), SamplingOptions(top_k=1), stepper=Broken(number))


@pytest.mark.parametrize(
    "wrong",
    [{"samples": 0}, {"temperature": 0.0}, {"temperature": float("nan")}, {"temperature": float("inf")}, {"top_k": -1},
     {"top_p": 0.0}, {"top_p": 1.1}, {"top_p": float("nan")}, {"min_length": -1}],
)  # fmt: skip
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SamplingOptions(**wrong)
