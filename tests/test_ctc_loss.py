"""The CTC loss: equal to walking all paths, and untouched by lines that no path can spell."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import random_frames, said_by_paths
from torch import Tensor
from torch.nn import functional as F

from nmt.models.ctc_loss import CTCSums, ctc_sums, is_feasible

SYMBOLS = 4  # the blank and three characters


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Texts as targets, zeros at their ends, and lengths."""
    lengths = [len(row) for row in rows]
    targets = torch.zeros(len(rows), max(lengths), dtype=torch.int64)
    for target, row in zip(targets, rows, strict=True):
        target[: len(row)] = torch.tensor(row, dtype=torch.int64)
    return targets, torch.tensor(lengths)


def sums_of(log_probs: Tensor, frames: list[int], texts: list[list[int]]) -> CTCSums:
    targets, lengths = padded(texts)
    return ctc_sums(log_probs, torch.tensor(frames), targets=targets, target_lengths=lengths)


texts = st.lists(st.integers(1, SYMBOLS - 1), max_size=5)
lines = st.lists(st.tuples(texts, st.integers(1, 5)), min_size=1, max_size=3)


@settings(max_examples=60)
@given(lines, st.integers(0, 99))
def test_the_loss_is_that_of_all_paths_and_what_none_spells_is_lost(
    drawn: list[tuple[list[int], int]], seed: int
) -> None:
    worlds = [random_frames(seed + row, frames, SYMBOLS) for row, (_, frames) in enumerate(drawn)]
    log_probs = torch.zeros(len(drawn), max(frames for _, frames in drawn), SYMBOLS)
    for row, world in enumerate(worlds):
        log_probs[row, : len(world)] = torch.tensor(world)
    said = [said_by_paths(world).get(tuple(text)) for world, (text, _) in zip(worlds, drawn, strict=True)]
    targets, lengths = padded([text for text, _ in drawn])
    frame_lengths = torch.tensor([frames for _, frames in drawn])
    assert is_feasible(frame_lengths, targets, lengths).tolist() == [one is not None for one in said]
    sums = ctc_sums(log_probs, frame_lengths, targets=targets, target_lengths=lengths)
    expected = -math.fsum(one.log_likelihood for one in said if one is not None)
    assert sums.loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert sums.lost.item() == said.count(None)
    kept = (len(text) for (text, _), one in zip(drawn, said, strict=True) if one is not None)
    assert sums.characters.item() == sum(kept)


def test_it_is_torchs_loss_with_its_gradient() -> None:
    logits = torch.randn(3, 9, SYMBOLS, requires_grad=True)
    texts = [[1, 1, 2, 3], [], [2, 3, 3]]
    sums = sums_of(logits.log_softmax(-1), [9, 5, 7], texts)
    (ours,) = torch.autograd.grad(sums.loss, logits)
    flat = torch.tensor([1, 1, 2, 3, 2, 3, 3])
    lengths = torch.tensor([9, 5, 7]), torch.tensor([4, 0, 3])
    loss = F.ctc_loss(logits.log_softmax(-1).transpose(0, 1), flat, *lengths, reduction="sum")
    (theirs,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(sums.loss, loss)
    torch.testing.assert_close(ours, theirs)
    assert not ours[1, 5:].any() and not ours[2, 7:].any()  # nothing is learnt from padding


def test_the_gradient_is_that_of_finite_differences() -> None:
    logits = torch.randn(2, 5, SYMBOLS, requires_grad=True)

    def loss(values: Tensor) -> Tensor:
        return sums_of(values.log_softmax(-1), [5, 4], [[1, 1], [3, 2, 1]]).loss

    (gradient,) = torch.autograd.grad(loss(logits), logits)
    for place in [(0, 0, 0), (0, 3, 1), (1, 2, 3), (1, 4, 0)]:
        step = torch.zeros_like(logits)
        step[place] = 1e-2
        slope = (loss(logits + step) - loss(logits - step)) / 2e-2
        assert gradient[place].item() == pytest.approx(slope.item(), abs=2e-3)


@pytest.mark.parametrize("nonsense", [math.inf, math.nan])
def test_what_cannot_be_spelt_teaches_nothing_whatever_torch_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, nonsense: float
) -> None:
    """As where cuDNN ignores `zero_infinity`: an infinite loss with a gradient of NaN."""
    honest = F.ctc_loss

    def broken(log_probs: Tensor, targets: Tensor, frames: Tensor, lengths: Tensor, **options: object) -> Tensor:
        losses: Tensor = honest(log_probs, targets, frames, lengths, **options)
        short = ~is_feasible(frames, targets, lengths)
        losses = losses.clone()
        losses[short] = log_probs[:, short].sum((0, 2)) * nonsense
        return losses

    alone = torch.randn(1, 6, SYMBOLS)
    logits = torch.cat([alone, torch.randn(1, 6, SYMBOLS)]).requires_grad_()
    expected = sums_of(alone.log_softmax(-1), [6], [[1, 2]]).loss
    monkeypatch.setattr(F, "ctc_loss", broken)
    sums = sums_of(logits.log_softmax(-1), [6, 3], [[1, 2], [1, 1, 2]])
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(expected.item())
    assert (sums.lost.item(), sums.characters.item()) == (1, 2)
    assert logits.grad is not None and logits.grad[0].any() and not logits.grad[1].any()
    assert logits.grad.isfinite().all()


def test_it_is_float32_under_bfloat16_and_takes_any_integers() -> None:
    log_probs = torch.randn(2, 8, SYMBOLS).log_softmax(-1).bfloat16()
    targets, lengths = padded([[1, 2], [3]])
    exact = sums_of(log_probs.float(), [8, 6], [[1, 2], [3]]).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sums = ctc_sums(
            log_probs,
            torch.tensor([8, 6], dtype=torch.int32),
            targets=targets.int(),
            target_lengths=lengths.int(),
        )
    assert sums.loss.dtype == torch.float32
    assert sums.loss.equal(exact)


@pytest.mark.parametrize("label", [0, -1, SYMBOLS, 99])
def test_a_label_that_is_no_symbol_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=f"labels must be 1 to 3, got {label}$"):
        sums_of(torch.zeros(2, 5, SYMBOLS), [5, 5], [[1, label, 2], [3]])


def test_what_pads_the_targets_does_not_matter() -> None:
    log_probs = torch.randn(1, 2, SYMBOLS).log_softmax(-1)
    frames, lengths = torch.tensor([2]), torch.tensor([2])
    sums = [
        ctc_sums(log_probs, frames, targets=torch.tensor([[2, 3, pad, pad]]), target_lengths=lengths)
        for pad in (0, 3, 77)
    ]
    assert sums[0] == sums[1] == sums[2]
    assert sums[0].lost.item() == 0


def test_a_batch_without_any_text_and_one_without_any_hope() -> None:
    log_probs = torch.randn(2, 4, SYMBOLS).log_softmax(-1).requires_grad_()
    silent = sums_of(log_probs, [4, 3], [[], []])
    blanks = -(log_probs[0, :, 0].sum() + log_probs[1, :3, 0].sum())
    torch.testing.assert_close(silent.loss, blanks)
    hopeless = sums_of(log_probs, [1, 2], [[1, 2], [1, 1]])
    hopeless.loss.backward()
    assert (hopeless.loss.item(), hopeless.lost.item(), hopeless.characters.item()) == (0.0, 2, 0)
    assert log_probs.grad is not None and not log_probs.grad.any()
