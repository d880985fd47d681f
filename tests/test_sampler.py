"""The plan of an epoch: everything once, nothing over budget, the same for everyone."""

import itertools
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.sampler import BatchBudget, Plan, TokenBudgetSampler, cut_batches
from nmt.errors import DataError

LENGTHS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=200)
BUDGETS = st.builds(BatchBudget, st.integers(1, 200), st.integers(1, 200), st.integers(1, 30))


def sampler(lengths: list[tuple[int, int]], budget: BatchBudget, **options: object) -> TokenBudgetSampler:
    source, target = np.array(lengths, dtype=np.int32).T
    return TokenBudgetSampler(source, target, budget, seed=7, **options)


def batches(plan: Plan) -> list[list[int]]:
    steps, ranks = plan.order.shape
    return [plan.batch(step, rank).tolist() for step in range(steps) for rank in range(ranks)]


def epoch_of(planner: TokenBudgetSampler, epoch: int) -> list[list[int]]:
    """All batches of an epoch, whatever its pools, in order of step and rank."""
    steps, ranks = range(len(planner)), range(planner.world_size)
    return [planner.batch(epoch, step, rank).tolist() for step in steps for rank in ranks]


def random_lengths(count: int, seed: int = 0) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    source = rng.integers(1, 50, count)
    return list(zip(source.tolist(), np.maximum(1, source + rng.integers(-5, 6, count)).tolist(), strict=True))


@given(LENGTHS, BUDGETS, st.integers(1, 4), st.integers(0, 3))
def test_every_pair_once_and_no_batch_over_budget(
    lengths: list[tuple[int, int]], budget: BatchBudget, ranks: int, epoch: int
) -> None:
    planner = sampler(lengths, budget, world_size=ranks)
    plan = planner.plan(epoch)
    assert plan.order.shape == (len(planner), ranks)
    planned = batches(plan)
    seen = Counter(index for batch in planned for index in batch)
    assert set(seen) == set(range(len(lengths)))
    if any(len(batch) > 1 for batch in planned):
        assert max(seen.values()) == 1
    else:  # nothing is left to split, so some ranks repeat a pair, that all make equally many steps
        assert len(planned) - len(lengths) < ranks
    for batch in planned:
        assert 1 <= len(batch) <= budget.sentences
        if len(batch) > 1:
            assert len(batch) * max(lengths[index][0] + 1 for index in batch) <= budget.source_tokens
            assert len(batch) * max(lengths[index][1] + 1 for index in batch) <= budget.target_tokens


@given(LENGTHS, BUDGETS)
def test_a_plan_is_a_pure_function(lengths: list[tuple[int, int]], budget: BatchBudget) -> None:
    one, other = sampler(lengths, budget), sampler(lengths, budget)
    other.plan(3)  # what was planned before does not matter
    assert batches(one.plan(1)) == batches(other.plan(1))


def test_epochs_and_seeds_differ_in_order_and_in_batch_mates() -> None:
    lengths = random_lengths(1000)
    source, target = np.array(lengths, dtype=np.int32).T
    budget = BatchBudget(300, 300, 64)
    plans = [
        TokenBudgetSampler(source, target, budget, seed=seed).plan(epoch) for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert batches(plans[a]) != batches(plans[b])
        assert len({frozenset(batch) for batch in batches(plans[a])} & {frozenset(x) for x in batches(plans[b])}) < 10


def test_the_number_of_steps_is_the_same_in_every_epoch() -> None:
    planner = sampler(random_lengths(3000), BatchBudget(400, 350, 30), world_size=3)
    assert {planner.plan(epoch).order.shape for epoch in range(6)} == {(len(planner), 3)}


def test_batches_are_full_and_little_padded() -> None:
    lengths = np.array(random_lengths(20_000)) + 1
    plan = sampler(random_lengths(20_000), BatchBudget(1000, 1000, 512)).plan(1)
    padded = np.array([len(batch) * lengths[batch].max(axis=0) for batch in batches(plan)])
    assert (lengths.sum(axis=0) / padded.sum(axis=0) > 0.88).all()
    assert np.mean(padded.max(axis=1)) > 930  # of the 1000 allowed


def test_cutting_is_greedy() -> None:
    """Against a loop: a batch ends exactly where the next pair would break a budget."""
    rng = np.random.default_rng(3)
    source, target = (rng.integers(1, 30, 500) for _ in range(2))
    budget = BatchBudget(90, 70, 6)
    expected, start = [], 0
    for end in range(1, 501):
        here = slice(start, end + 1)
        size = end + 1 - start
        if end == 500 or size > 6 or size * source[here].max() > 90 or size * target[here].max() > 70:
            expected.append([start, end])
            start = end
    assert cut_batches(source, target, budget).tolist() == expected


def test_ranks_get_neighbours_in_length() -> None:
    lengths = np.array(random_lengths(5000))
    plan = sampler(random_lengths(5000), BatchBudget(500, 500, 100), world_size=4).plan(0)
    longest = np.array(
        [max(lengths[plan.batch(step, rank)][:, 1]) for step in range(len(plan.order)) for rank in range(4)]
    )
    spread = np.ptp(longest.reshape(-1, 4), axis=1)
    assert np.mean(spread) < 3
    first = longest.reshape(-1, 4)[:, 0] - longest.reshape(-1, 4).mean(axis=1)
    assert abs(first.mean()) < 0.2  # no rank gets the shorter batches always
    assert abs(np.corrcoef(np.arange(len(plan.order)), longest[::4])[0, 1]) < 0.3  # and no length comes first


class TestWeights:
    def test_twice_and_half(self) -> None:
        weights = np.repeat([2.0, 0.5, 1.0, 1.25], 40)
        planner = sampler(random_lengths(160), BatchBudget(100, 100, 10), weights=weights)
        epochs = [Counter(index for batch in batches(planner.plan(epoch)) for index in batch) for epoch in range(4)]
        for seen in epochs:
            assert all(seen[index] == 2 for index in range(40))
            assert sum(seen[index] for index in range(40, 80)) == 20
            assert all(seen[index] == 1 for index in range(80, 120))
            assert sum(seen[index] for index in range(120, 160)) == 50
        total = sum(epochs, Counter())
        assert all(total[index] == 2 for index in range(40, 80))  # a different half every epoch
        assert all(total[index] == 5 for index in range(120, 160))
        assert {i for i in range(40, 80) if epochs[0][i]} != set(range(40, 60))  # chosen, not cut off

    def test_the_number_of_steps_stays_with_fractions(self) -> None:
        planner = sampler(random_lengths(500), BatchBudget(60, 60, 8), weights=np.full(500, 0.37), world_size=2)
        for epoch in range(12):
            plan = planner.plan(epoch)
            assert plan.order.shape == (len(planner), 2)
            seen = Counter(index for batch in batches(plan) for index in batch)
            assert max(seen.values()) == 1
            assert sum(seen.values()) >= 0.95 * 0.37 * 500

    def test_nothing_to_show_is_an_error(self) -> None:
        with pytest.raises(DataError, match="no pair to show"):
            sampler([(1, 1)], BatchBudget(9, 9, 9), weights=np.array([0.1]))


@pytest.mark.parametrize("ranks", [1, 2])
def test_ascending_epochs_go_from_short_to_long_and_are_shuffled_after_that(ranks: int) -> None:
    lengths, budget = random_lengths(400), BatchBudget(200, 200, 30)
    growing = sampler(lengths, budget, world_size=ranks, ascending_epochs=2)
    plain = sampler(lengths, budget, world_size=ranks)
    longest = []
    for epoch in range(3):
        plan = growing.plan(epoch)
        assert sorted(batches(plan)) == sorted(batches(plain.plan(epoch)))  # the same batches, in another order
        steps = [np.concatenate([plan.batch(step, rank) for rank in range(ranks)]) for step in range(len(plan.order))]
        longest.append([max(lengths[index][1] for index in step) for step in steps])
    for epoch in (0, 1):  # up to the noise of 10 % either way, and rounding
        assert all(later * 1.1 + 1 >= earlier * 0.9 for earlier, later in itertools.pairwise(longest[epoch]))
    assert longest[2] != sorted(longest[2])
    assert not all(later * 1.1 + 1 >= earlier * 0.9 for earlier, later in itertools.pairwise(longest[2]))
    assert batches(growing.plan(2)) == batches(plain.plan(2))


def test_the_fingerprint_changes_where_a_position_means_other_pairs() -> None:
    lengths, budget = random_lengths(20), BatchBudget(100, 100, 10)
    source, target = np.array(lengths, dtype=np.int32).T
    planners = [
        TokenBudgetSampler(source, target, budget, seed=1),
        TokenBudgetSampler(source, target, budget, seed=2),
        TokenBudgetSampler(source, target, budget, seed=1, world_size=2),
        TokenBudgetSampler(source, target, budget._replace(sentences=9), seed=1),
        TokenBudgetSampler(target, source, budget, seed=1),
        TokenBudgetSampler(source, target, budget, seed=1, weights=np.full(20, 2.0)),
    ]
    assert len({planner.fingerprint for planner in planners}) == len(planners)
    assert TokenBudgetSampler(source, target, budget, seed=1).fingerprint == planners[0].fingerprint


# (pairs, options, epoch) → (steps, CRC-32 of all batches in order, fingerprint), made by the sampler of version 1.0,
# which planned all pairs at once: what was trained then can be trained again, and its checkpoints go on.
GOLDEN = {
    "plain": (3000, {"seed": 1}, 0, 116, 0xC055BEE4, "1-1-1000-1000-64-8c7e126d"),
    "a later epoch": (3000, {"seed": 1}, 5, 116, 0x82A56AA7, "1-1-1000-1000-64-8c7e126d"),
    "ranks": (3000, {"seed": 2, "world_size": 3}, 1, 39, 0x5DD8D208, "2-3-1000-1000-64-8c7e126d"),
    "accumulated": (
        2000,
        {"seed": 3, "world_size": 2, "accumulate": 4},
        2,
        40,
        0x67AB2F85,
        "3-2-1000-1000-64-2367d288",
    ),
    "ascending": (3000, {"seed": 4, "ascending_epochs": 2}, 1, 115, 0xFD45DCC6, "4-1-1000-1000-64-8c7e126d"),
    "weights": (
        900,
        {"seed": 5, "weights": np.repeat([2.0, 0.5, 1.25], 300)},
        3,
        44,
        0x1938B260,
        "5-1-1000-1000-64-1a63a31e",
    ),
    "as many as Multi30k": (29000, {"seed": 1}, 0, 1094, 0xB42D8014, "1-1-1000-1000-64-504eafd1"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_corpus_of_one_pool_is_planned_as_ever(name: str) -> None:
    count, options, epoch, steps, expected, fingerprint = GOLDEN[name]
    rng = np.random.default_rng(11)
    source = rng.integers(1, 60, count)
    target = np.maximum(1, source + rng.integers(-6, 7, count)).astype(np.int32)
    planner = TokenBudgetSampler(source.astype(np.int32), target, BatchBudget(1000, 1000, 64), **options)
    crc = 0
    for batch in epoch_of(planner, epoch):
        crc = zlib.crc32(np.array([*batch, -1], dtype=np.int64).tobytes(), crc)
    assert (len(planner), crc, planner.fingerprint) == (steps, expected, fingerprint)


class TestPools:
    """More pairs than are planned at a time: every promise holds over all pools together."""

    @given(LENGTHS, BUDGETS, st.integers(1, 60), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))
    def test_every_pair_once_and_no_batch_over_budget(
        self, lengths: list[tuple[int, int]], budget: BatchBudget, pool: int, ranks: int, accumulate: int, epoch: int
    ) -> None:
        planner = sampler(lengths, budget, world_size=ranks, accumulate=accumulate, pool=pool)
        planned = epoch_of(planner, epoch)
        assert len(planned) % (ranks * accumulate) == 0
        pools = [batches(planner.plan(epoch, number)) for number in range(-(-len(lengths) // pool))]
        assert list(itertools.chain.from_iterable(pools)) == planned
        assert len({len(part) for part in pools}) == 1  # so that the pool of a step is known without planning others
        assert all(len(set(itertools.chain.from_iterable(part))) <= pool for part in pools)
        seen = Counter(index for batch in planned for index in batch)
        assert set(seen) == set(range(len(lengths)))
        for part in pools:
            if any(len(batch) > 1 for batch in part):
                assert all(seen[index] == 1 for batch in part for index in batch)
        for batch in planned:
            assert 1 <= len(batch) <= budget.sentences
            if len(batch) > 1:
                assert len(batch) * max(lengths[index][0] + 1 for index in batch) <= budget.source_tokens
                assert len(batch) * max(lengths[index][1] + 1 for index in batch) <= budget.target_tokens

    def test_any_position_is_reached_without_those_before(self) -> None:
        lengths, budget = random_lengths(900), BatchBudget(200, 200, 30)
        whole = sampler(lengths, budget, world_size=2, pool=128)
        epochs = [epoch_of(whole, epoch) for epoch in range(2)]
        other = sampler(lengths, budget, world_size=2, pool=128)
        for epoch, step, rank in ((1, len(whole) - 1, 1), (0, 7, 0), (1, 40, 0), (1, 3, 1), (0, len(whole) // 2, 1)):
            assert other.batch(epoch, step, rank).tolist() == epochs[epoch][2 * step + rank]

    def test_pools_are_alike_and_mixed_anew(self) -> None:
        lengths = random_lengths(4000)
        planner = sampler(lengths, BatchBudget(300, 300, 40), pool=500)
        pools = [[set(planner.plan(epoch, number).pairs.tolist()) for number in range(8)] for epoch in range(2)]
        for part in pools[0] + pools[1]:
            assert len(part) == 500
            assert abs(np.mean([lengths[i][1] for i in part]) - np.mean([target for _, target in lengths])) < 0.2
        shared = [len(one & other) for one in pools[0] for other in pools[1]]
        assert min(shared) > 30 and max(shared) < 100  # 62.5 on average: which pool a pair is in says nothing
        order = np.array([np.mean([lengths[i][1] for i in batch]) for batch in epoch_of(planner, 0)])
        assert abs(np.corrcoef(np.arange(len(order)), order)[0, 1]) < 0.2  # no length comes first

    def test_padding_costs_no_more(self) -> None:
        lengths, budget = random_lengths(20_000), BatchBudget(1000, 1000, 512)
        whole, pooled = (len(sampler(lengths, budget, pool=pool)) for pool in (20_000, 5000))
        assert pooled < 1.03 * whole  # pools of some 150 batches; they are some thousands else

    def test_a_pool_that_noise_overfills_is_cut_with_less(self) -> None:
        """Both sides of a pair are alike, so noise wastes much, and some pools are cut again with less of it."""
        lengths = np.sort(np.random.default_rng(5).integers(1, 60, (600, 2)), axis=0).tolist()
        for seed in range(4):
            source, target = np.array(lengths, dtype=np.int32).T
            planner = TokenBudgetSampler(source, target, BatchBudget(130, 130, 9), seed=seed, pool=60)
            for epoch in range(4):
                assert Counter(i for batch in epoch_of(planner, epoch) for i in batch) == Counter(range(600))

    def test_weights(self) -> None:
        weights = np.random.default_rng(0).permutation(np.repeat([2.0, 0.5, 1.0, 1.25], 100))
        planner = sampler(random_lengths(400), BatchBudget(100, 100, 10), weights=weights, pool=64)
        epochs = [Counter(i for batch in epoch_of(planner, epoch) for i in batch) for epoch in range(4)]
        total = sum(epochs, Counter())
        for weight, least, most in ((2.0, 2, 2), (0.5, 0, 1), (1.0, 1, 1), (1.25, 1, 2)):
            members = np.flatnonzero(weights == weight)
            for seen in epochs:
                assert {seen[i] for i in members} <= set(range(least, most + 1))
            assert sum(total[i] for i in members) == pytest.approx(4 * weight * len(members), rel=0.02)
        halves = [{i for i in np.flatnonzero(weights == 0.5) if seen[i]} for seen in epochs]
        assert len(halves[0] & halves[1]) < 8  # a different half every epoch, but for odd segments
        assert planner.fingerprint != sampler(random_lengths(400), BatchBudget(100, 100, 10), pool=64).fingerprint

    def test_large_weights_alone_make_pools(self) -> None:
        planner = sampler(random_lengths(50), BatchBudget(100, 100, 10), weights=np.full(50, 4.0), pool=60)
        assert Counter(i for batch in epoch_of(planner, 1) for i in batch) == Counter(dict.fromkeys(range(50), 4))

    def test_ascending_epochs_are_planned_whole(self) -> None:
        lengths, budget = random_lengths(400), BatchBudget(200, 200, 30)
        pooled = sampler(lengths, budget, ascending_epochs=1, pool=50)
        assert epoch_of(pooled, 0) == epoch_of(sampler(lengths, budget, ascending_epochs=1), 0)

    def test_another_pool_is_another_plan(self) -> None:
        lengths, budget = random_lengths(400), BatchBudget(200, 200, 30)
        assert len({sampler(lengths, budget, pool=pool).fingerprint for pool in (400, 200, 100)}) == 3
