"""The recogniser's model: batch-mates change nothing, every cell will do, and a few lines are learnt by heart."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.config.recognition import RecognitionModelConfig
from nmt.models.build import build_recognition
from nmt.models.ctc_loss import ctc_sums
from nmt.models.recognition import RecognitionModel
from nmt.search.ctc import best_path

SYMBOLS = 5
KINDS = ("image", "strokes")
BLOCKS = [
    {"channels": 8, "pool": (2, 2)},
    {"channels": 8, "residual": True, "normalization": "layer", "dropout": 0.1},
    {"channels": 16, "pool": (2, 1), "normalization": "none"},
]


def config(kind: str = "image", **changes: Any) -> RecognitionModelConfig:
    frontend = {"kind": kind, "height": 12, "blocks": BLOCKS}
    return RecognitionModelConfig.model_validate({"frontend": frontend, "hidden_size": 16, "layers": 2, **changes})


def model_of(kind: str = "image", **changes: Any) -> RecognitionModel:
    torch.manual_seed(1)
    return build_recognition(config(kind, **changes), SYMBOLS)


def written(kind: str, texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Lines in which every symbol is a picture of its own, 8 columns wide, with a gap after it."""
    shape = (1, 12) if kind == "image" else (7, 1)
    glyphs = torch.rand(SYMBOLS, *shape, 8, generator=torch.Generator().manual_seed(5)).round()
    lengths = torch.tensor([11 * len(text) for text in texts])
    inputs = torch.zeros(len(texts), *shape, int(lengths.max()))
    for row, text in zip(inputs, texts, strict=True):
        for place, symbol in enumerate(text):
            row[..., 11 * place : 11 * place + 8] = glyphs[symbol]
    return inputs, lengths


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "peephole"])
def test_a_line_alone_is_the_line_in_a_batch(kind: str, cell: str) -> None:
    model = model_of(kind, cell=cell).eval()
    inputs, lengths = written(kind, [[1, 2], [3, 4, 1, 1, 2], [2, 2, 3]])
    log_probs, frames = model(inputs, lengths)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))
    for row in range(3):
        width, count = int(lengths[row]), int(frames[row])
        alone, own = model(inputs[row : row + 1, ..., :width], lengths[row : row + 1])
        assert (own.item(), alone.shape[1]) == (count, count)
        torch.testing.assert_close(alone[0], log_probs[row, :count], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "peephole"])
def test_every_parameter_learns(cell: str) -> None:
    model = model_of(cell=cell).train()
    inputs, lengths = written("image", [[1, 2], [3, 4, 1]])
    scores, shortcut = model.with_shortcut(inputs, lengths)
    assert shortcut is not None and shortcut.shape == scores.log_probs.shape
    targets, target_lengths = torch.tensor([[1, 2, 0], [3, 4, 1]]), torch.tensor([2, 3])
    for log_probs in (scores.log_probs, shortcut):
        ctc_sums(log_probs, scores.lengths, targets=targets, target_lengths=target_lengths).loss.backward(
            retain_graph=True
        )
    idle = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert not idle


def test_without_a_shortcut_there_is_none() -> None:
    model = model_of(shortcut=False)
    assert model.with_shortcut(*written("image", [[1]]))[1] is None
    assert not any("shortcut" in name for name in model.state_dict())


def test_scores_are_float32_under_bfloat16() -> None:
    inputs, lengths = written("image", [[1, 2, 3]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, shortcut = model_of().train().with_shortcut(inputs, lengths)
    assert shortcut is not None
    assert scores.log_probs.dtype == shortcut.dtype == torch.float32


def test_names_of_parameters_stay_as_checkpoints_have_them() -> None:
    names = set(model_of().state_dict()) | set(build_recognition(RecognitionModelConfig(), SYMBOLS).state_dict())
    assert {
        "frontend.blocks.0.convolution.weight",
        "frontend.blocks.0.normalization.weight",
        "frontend.blocks.0.normalization.bias",
        "frontend.blocks.0.normalization.running_mean",
        "frontend.blocks.0.normalization.running_variance",
        "frontend.blocks.2.convolution.bias",
        "encoder.layers.0.forwards.weight_ih",
        "encoder.layers.1.backwards.weight_hh",
        "output.weight",
        "shortcut.bias",
    } <= names


ONE_LINE, FOUR_LINES = [[3, 1, 4, 4, 2]], [[1, 2, 2], [4, 3], [2, 1, 4, 4], [3]]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [("image", ONE_LINE), ("strokes", ONE_LINE), ("image", FOUR_LINES)],
    ids=["an image", "strokes", "four images"],
)
def test_a_few_lines_are_learnt_by_heart(kind: str, texts: list[list[int]]) -> None:
    model = model_of(kind, layers=1, dropout={"input": 0.0, "output": 0.0}).train()
    inputs, lengths = written(kind, texts)
    targets = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    target_lengths = torch.tensor([len(text) for text in texts])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    for _ in range(40):
        for _ in range(10):
            optimizer.zero_grad()
            scores, shortcut = model.with_shortcut(inputs, lengths)
            assert shortcut is not None
            losses = [
                ctc_sums(one, scores.lengths, targets=targets, target_lengths=target_lengths).loss
                for one in (scores.log_probs, shortcut)
            ]
            (losses[0] + 0.3 * losses[1]).backward()
            optimizer.step()
        if best_path(*model.eval()(inputs, lengths)) == texts:  # about 120 steps
            return
        model.train()
    pytest.fail("400 steps were not enough")
