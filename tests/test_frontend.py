"""Front-ends: frames by formula, and lines that never see their padding or their batch-mates."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nmt.config.recognition import STROKE_FEATURES, FrontendConfig
from nmt.models.build import build_frontend
from nmt.models.frontend import Frontend

ODD, SMALL = st.sampled_from([1, 3, 5]), st.integers(1, 3)
NORMALIZATIONS = ("batch", "layer", "none")


@st.composite
def configurations(draw: st.DrawFn) -> FrontendConfig:
    """Any front-end of up to three blocks, of images or strokes, residual where that is possible."""
    kind = draw(st.sampled_from(["image", "strokes"]))
    colour = draw(st.sampled_from(["grey", "rgb"]))
    channels = STROKE_FEATURES if kind == "strokes" else {"grey": 1, "rgb": 3}[colour]
    blocks = []
    for _ in range(draw(st.integers(0, 3))):
        block: dict[str, Any] = {
            "channels": draw(st.sampled_from([2, 3, 9])),
            "kernel": (draw(ODD), draw(ODD)),
            "stride": (draw(SMALL), draw(SMALL)),
            "pool": (draw(SMALL), draw(SMALL)),
            "normalization": draw(st.sampled_from(NORMALIZATIONS)),
        }
        if draw(st.booleans()):
            block |= {"channels": channels, "stride": (1, 1), "residual": True}
        channels = block["channels"]
        blocks.append(block)
    columns = draw(st.sampled_from(["max", "mean", "flatten"]))
    height = draw(st.integers(1, 20))
    return FrontendConfig.model_validate(
        {"kind": kind, "colour": colour, "height": height, "blocks": blocks, "columns": columns}
    )


def awake(config: FrontendConfig, seed: int = 1) -> Frontend:
    """With statistics and gains unlike those of a new one."""
    torch.manual_seed(seed)
    frontend = build_frontend(config)
    for name, values in (*frontend.named_parameters(), *frontend.named_buffers()):
        if "running_mean" in name or name.endswith("normalization.bias"):
            values.data.uniform_(-0.5, 0.5)
        elif "running_variance" in name or name.endswith("normalization.weight"):
            values.data.uniform_(0.5, 1.5)
    return frontend


def lines_of(config: FrontendConfig, widths: list[int], *, extra: int = 0) -> tuple[Tensor, Tensor]:
    """Random inputs, zero beyond their lengths."""
    height = config.height if config.kind == "image" else 1
    inputs = torch.zeros(len(widths), config.input_channels, height, max(widths) + extra)
    generator = torch.Generator().manual_seed(3)
    for row, width in zip(inputs, widths, strict=True):
        row[..., :width] = torch.rand(row.shape[0], height, width, generator=generator)
    return inputs, torch.tensor(widths)


widths = st.lists(st.integers(1, 30), min_size=1, max_size=4)


@given(configurations(), widths)
def test_a_line_alone_is_the_line_in_a_batch_and_frames_are_by_formula(
    config: FrontendConfig, widths: list[int]
) -> None:
    frontend = awake(config).eval()
    inputs, lengths = lines_of(config, widths)
    with torch.no_grad():
        vectors, frames = frontend(inputs, lengths)
        assert frames.tolist() == [frontend.frames(width) for width in widths]
        assert vectors.shape == (len(widths), max(frames.tolist()), frontend.output_size)
        for row, width, count in zip(range(len(widths)), widths, frames.tolist(), strict=True):
            alone, own = frontend(inputs[row : row + 1, ..., :width], lengths[row : row + 1])
            assert own.tolist() == [alone.shape[1]] == [count]
            torch.testing.assert_close(vectors[row, :count], alone[0], atol=1e-5, rtol=1e-5)
            assert not vectors[row, count:].any()


@settings(max_examples=40)
@given(configurations(), widths)
def test_in_training_more_padding_changes_neither_outputs_nor_gradients_nor_statistics(
    config: FrontendConfig, widths: list[int]
) -> None:
    results = []
    for extra in (0, 100):
        frontend = awake(config).train()
        inputs, lengths = lines_of(config, widths, extra=extra)
        inputs.requires_grad_()
        vectors, frames = frontend(inputs, lengths)
        kept, padding = vectors.split([int(frames.max()), vectors.shape[1] - int(frames.max())], dim=1)
        assert not padding.any()
        wanted = (kept * torch.linspace(-1, 1, kept[0].numel()).view(kept.shape[1:])).sum()
        (wanted + 7.0 * padding.sum()).backward()  # whatever is asked of padding teaches nothing
        assert inputs.grad is not None
        gradients = [one.grad for one in frontend.parameters()]
        results.append((kept.detach(), inputs.grad[..., : max(widths)], gradients, list(frontend.buffers())))
    torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-3)


def test_a_frame_sees_no_further_than_its_kernels() -> None:
    config = FrontendConfig.model_validate({"height": 8, "blocks": [{"channels": 4, "kernel": (3, 5), "pool": (2, 2)}]})
    frontend = awake(config).eval()
    inputs, lengths = lines_of(config, [20])
    inputs.requires_grad_()
    vectors = frontend(inputs, lengths).vectors
    (gradient,) = torch.autograd.grad(vectors[0, 3].sum(), inputs)
    assert gradient[0, 0].abs().sum(dim=0).nonzero().flatten().tolist() == list(range(4, 10))  # 6, 7 and 2 either side
    assert frontend.stride == 2


def test_columns_become_maxima_means_or_all_of_them() -> None:
    block = {"channels": 2, "kernel": (1, 1), "normalization": "none"}
    inputs = torch.rand(1, 1, 3, 4)
    weights = None
    vectors = {}
    for columns in ("max", "mean", "flatten"):
        frontend = build_frontend(FrontendConfig.model_validate({"height": 3, "blocks": [block], "columns": columns}))
        weights = weights or frontend.state_dict()
        frontend.load_state_dict(weights)
        vectors[columns] = frontend(inputs, torch.tensor([4])).vectors.view(4, -1)
    maps = vectors["flatten"].view(4, 2, 3)
    torch.testing.assert_close(vectors["max"], maps.amax(2))
    torch.testing.assert_close(vectors["mean"], maps.mean(2))


def test_dropout_is_of_training_alone_and_leaves_padding_zero() -> None:
    block = {"channels": 32, "normalization": "none", "dropout": 0.5}
    config = FrontendConfig.model_validate({"height": 6, "blocks": [block], "columns": "flatten"})
    frontend = awake(config)
    inputs, lengths = lines_of(config, [30, 10])
    quiet = frontend.eval()(inputs, lengths).vectors
    vectors = frontend.train()(inputs, lengths).vectors
    dropped = (vectors == 0) & (quiet != 0)
    assert 0.4 < dropped.sum() / (quiet != 0).sum() < 0.6
    torch.testing.assert_close(vectors[vectors != 0], 2 * quiet[vectors != 0])
    assert not vectors[1, 10:].any()


@pytest.mark.parametrize(
    "change", [{"channels": 16}, {"channels": 8, "stride": (1, 2)}], ids=["other channels", "a stride"]
)
def test_a_residual_that_does_not_fit_is_refused_by_name(change: dict[str, Any]) -> None:
    blocks = [{"channels": 8}, {"residual": True, **change}]
    with pytest.raises(ValueError, match=r"blocks\.1: residual adds its input of 8 channels"):
        FrontendConfig.model_validate({"blocks": blocks})


def test_a_residual_adds_what_came_in() -> None:
    block = {"channels": 1, "kernel": (1, 1), "normalization": "none", "residual": True}
    config = FrontendConfig.model_validate({"height": 2, "blocks": [block], "columns": "flatten"})
    frontend = build_frontend(config)
    for parameter in frontend.parameters():
        parameter.data.fill_(0.5)
    inputs, lengths = lines_of(config, [5])
    expected = (1.5 * inputs + 0.5).flatten(1, 2).transpose(1, 2)
    torch.testing.assert_close(frontend(inputs, lengths).vectors, expected)


def test_an_even_kernel_has_no_middle() -> None:
    with pytest.raises(ValueError, match="only odd sizes have a middle"):
        FrontendConfig.model_validate({"blocks": [{"channels": 4, "kernel": (3, 2)}]})
