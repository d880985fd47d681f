"""The ratio of true inputs over a run, the coins, and every option reaching the words that are read."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt.config.load import dump_yaml, load_config
from nmt.config.model import ModelConfig
from nmt.config.training import TeacherForcingConfig, TranslationTrainConfig
from nmt.data.batch import TranslationBatch
from nmt.errors import ConfigError
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel
from nmt.training.translation.teacher_forcing import draw_truth, read_target, read_truth, truth_ratio


def forcing(**options: Any) -> TeacherForcingConfig:
    return TeacherForcingConfig.model_validate(options)


def ratios(*steps: int, **options: Any) -> list[float]:
    return [truth_ratio(forcing(**options), step=step, epoch=0) for step in steps]


# --- the schedules


def test_constant_by_default_and_by_a_number() -> None:
    assert ratios(0, 10, 10**6) == [1.0, 1.0, 1.0]
    plain = TranslationTrainConfig.model_validate({"max_steps": 1, "teacher_forcing": 0.8}).teacher_forcing
    assert [truth_ratio(plain, step=s, epoch=s) for s in (0, 10, 10**6)] == [0.8, 0.8, 0.8]


def test_linear_goes_from_start_to_end_and_stays() -> None:
    found = ratios(0, 100, 150, 200, 300, 999, kind="linear", start=0.9, end=0.5, warmup=100, length=200)
    assert found == pytest.approx([0.9, 0.9, 0.8, 0.7, 0.5, 0.5])


def test_the_formulas_of_bengio_et_al() -> None:
    assert ratios(0, 1, 7, kind="exponential", k=0.9) == pytest.approx([1.0, 0.9, 0.9**7])
    k = 20.0
    expected = [1.0] + [k / (k + math.exp(i / k)) for i in (1, 60, 200)]
    assert ratios(0, 1, 60, 200, kind="inverse_sigmoid", k=k) == pytest.approx(expected)
    assert ratios(10**7, kind="inverse_sigmoid", k=1.5, end=0.25) == [0.25]  # exp(i / k) is no number any more


def test_length_says_when_a_decay_is_done() -> None:
    assert ratios(500, 1000, kind="exponential", length=1000) == pytest.approx([0.1, 0.01])
    first, half, last = ratios(1, 500, 1000, kind="inverse_sigmoid", length=1000)
    assert half == pytest.approx(0.5)
    assert first > 0.99 and last < 0.01 and first + last == pytest.approx(1.0, abs=1e-3)
    assert 0.0 < ratios(1, kind="inverse_sigmoid", length=0.01)[0] < 0.5
    assert ratios(1, kind="exponential", length=1e-4) == [0.0]


def test_epochs_count_where_they_are_asked_for() -> None:
    config = forcing(kind="linear", unit="epoch", warmup=1, length=4)
    assert [truth_ratio(config, step=1000, epoch=e) for e in range(7)] == [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


@given(
    st.sampled_from(["constant", "linear", "exponential", "inverse_sigmoid"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.1, 1e5),
    st.integers(0, 50),
)
def test_a_ratio_moves_one_way_between_its_ends(
    kind: str, start: float, end: float, length: float, warmup: int
) -> None:
    decay = {} if kind == "constant" else {"length": length}
    found = ratios(*range(0, 200, 7), kind=kind, start=start, end=end, warmup=warmup, **decay)
    sign = 1 if start >= end else -1
    assert all(min(start, end) - 1e-9 <= ratio <= max(start, end) + 1e-9 for ratio in found)
    assert all(sign * (a - b) >= -1e-9 for a, b in itertools.pairwise(found))
    assert found[: warmup // 7 + 1] == [start] * (warmup // 7 + 1)


# --- the options


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["--train.teacher_forcing", "1.5"], r"--train.teacher_forcing.start: must be at most 1.0, got 1.5"),
        (["--train.teacher_forcing", "most"], r"--train.teacher_forcing: is a number or a section \(.*got 'most'"),
        (["--train.teacher_forcing", "true"], r"is a number or a section"),
        (["--train.teacher_forcing.kind", "linear"], r"kind 'linear' needs length, the steps from start to end"),
        (["--train.teacher_forcing", "{kind: exponential}"], r"kind 'exponential' needs length \(in steps\) or k"),
        (["--train.teacher_forcing", "{kind: exponential, k: 2}"], r"k must be below 1 for kind 'exponential', got 2"),
        (["--train.teacher_forcing", "{kind: inverse_sigmoid, k: 0.5}"], r"k must be at least 1"),
        (["--train.teacher_forcing", "{kind: inverse_sigmoid, k: 5, length: 9}"], r"length \(in steps\) or k, one"),
        (["--train.teacher_forcing.metod", "loop"], r"did you mean train.teacher_forcing.method\?"),
        (["--train.teacher_forcing.top_k", "-1"], r"must be at least 0"),
        (["--train.teacher_forcing.temperature", "0"], r"must be at least 0.01"),
    ],
)
def test_mistakes_are_explained(overrides: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_config("gnmt_small", overrides)


def test_a_number_and_a_section_go_together(tmp_path: Any) -> None:
    def loaded(*overrides: str) -> TeacherForcingConfig:
        return load_config(path, overrides).train.teacher_forcing

    path = tmp_path / "mine.yaml"
    path.write_text("train: {max_steps: 1, teacher_forcing: 0.9}", encoding="utf-8")
    assert loaded() == forcing(start=0.9)
    assert loaded("--train.teacher_forcing.method", "loop") == forcing(start=0.9, method="loop")
    assert loaded("--train.teacher_forcing=0.7", "--train.teacher_forcing.passes=2") == forcing(start=0.7, passes=2)
    assert loaded("--train.teacher_forcing.passes=2", "--train.teacher_forcing=0.7") == forcing(start=0.7, passes=2)
    section = forcing(kind="linear", start=0.9, length=7.0)
    assert loaded("--train.teacher_forcing", "{kind: linear, length: 7.0}") == section
    path.write_text("train: {max_steps: 1, teacher_forcing: {kind: linear, length: 7.0}}", encoding="utf-8")
    assert loaded("--train.teacher_forcing", "1") == forcing()
    again = tmp_path / "again.yaml"
    again.write_text(dump_yaml(load_config(path)), encoding="utf-8")
    assert load_config(again).train == load_config(path).train


# --- the coins


def test_coins_are_for_tokens_for_sentences_or_for_the_batch() -> None:
    torch.manual_seed(0)
    lengths = torch.full((400,), 10)
    truth = {coin: draw_truth(forcing(coin=coin), 0.7, lengths=lengths, width=10) for coin in ("token", "sentence")}
    for drawn in truth.values():
        assert drawn[:, 0].all() and drawn.shape == (400, 10)
        assert drawn[:, 1:].float().mean() == pytest.approx(0.7, abs=0.07)
    whole = truth["sentence"][:, 1:]
    assert whole.eq(whole[:, :1]).all() and not truth["token"][:, 1:].eq(truth["token"][:, 1:2]).all()
    batches = [draw_truth(forcing(coin="batch"), 0.7, lengths=lengths, width=10)[:, 1:] for _ in range(200)]
    assert all(drawn.all() or not drawn.any() for drawn in batches)
    assert sum(bool(drawn.all()) for drawn in batches) / 200 == pytest.approx(0.7, abs=0.12)


def test_padding_is_never_predicted() -> None:
    truth = draw_truth(forcing(), 0.0, lengths=torch.tensor([2, 4]), width=5)
    assert truth.tolist() == [[True, False, True, True, True], [True, False, False, False, True]]


def test_the_same_state_of_the_generator_gives_the_same_coins() -> None:
    lengths = torch.full((5,), 9)
    torch.manual_seed(4)
    state = torch.get_rng_state()
    first = draw_truth(forcing(), 0.5, lengths=lengths, width=9)
    other = draw_truth(forcing(), 0.5, lengths=lengths, width=9)
    torch.set_rng_state(state)
    assert first.equal(draw_truth(forcing(), 0.5, lengths=lengths, width=9)) and not first.equal(other)


# --- reading


def world() -> tuple[TranslationModel, TranslationBatch]:
    torch.manual_seed(0)
    sizes = {"embedding_size": 8, "hidden_size": 8, "dropout": {"input": 0.0}, "initialization": {"scale": 1.0}}
    model = build_translation(ModelConfig.model_validate(sizes), 20, 20)
    tokens = torch.randint(4, 20, (3, 4, 9))
    lengths = torch.full((4,), 9)
    return model, TranslationBatch(tokens[0], lengths, tokens[1], tokens[2], lengths, torch.arange(4))


def read(ratio: float = 0.3, seed: int = 0, **options: Any) -> Tensor:
    model, batch = world()
    memory = model.encode(batch.source, batch.source_lengths)
    torch.manual_seed(seed)
    return read_target(model, batch, memory, config=forcing(**options), ratio=ratio)


def test_full_teacher_forcing_is_reading_the_target_and_draws_nothing() -> None:
    model, batch = world()
    memory = model.encode(batch.source, batch.source_lengths)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    whole = read_target(model, batch, memory, config=forcing(), ratio=1.0)
    assert whole.equal(read_truth(model, batch, memory)) and torch.get_rng_state().equal(state)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "rollout"},
        {"passes": 2},
        {"coin": "sentence"},
        {"coin": "batch"},
        {"feedback": "sample", "temperature": 4.0},
        {"feedback": "gumbel", "temperature": 4.0},
    ],
)
def test_every_option_changes_what_is_read(options: dict[str, Any]) -> None:
    assert not torch.allclose(read(**options), read(), atol=1e-3)


@pytest.mark.parametrize("feedback", ["sample", "gumbel"])
def test_temperature_and_top_k_reach_the_draw(feedback: str) -> None:
    drawn = read(feedback=feedback, temperature=9.0)
    assert not torch.allclose(read(feedback=feedback, temperature=0.1), drawn, atol=1e-3)
    assert not torch.allclose(read(feedback=feedback, temperature=9.0, top_k=3), drawn, atol=1e-3)


def test_the_methods_that_should_agree_do() -> None:
    loop, rollout = read(method="loop"), read(method="rollout")
    torch.testing.assert_close(loop, rollout, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read(method="parallel", passes=8), rollout, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read(feedback="gumbel", top_k=1), read(), atol=1e-5, rtol=1e-5)
