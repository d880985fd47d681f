"""Cells against torch.nn with copied weights, and step by step against whole sequences."""

import pytest
import torch
from torch import nn

from nmt.models.build import CELLS
from nmt.models.cells import GRU, LSTM, RNN, Cell, PeepholeLSTM

TORCH = {LSTM: nn.LSTM, GRU: nn.GRU, RNN: nn.RNN}


def make(kind: type[Cell], recurrent_dropout: float = 0.0) -> Cell:
    torch.manual_seed(3)
    cell = kind(5, 7, recurrent_dropout)
    for parameter in cell.parameters():
        nn.init.uniform_(parameter, -0.8, 0.8)
    return cell


@pytest.mark.parametrize("kind", TORCH)
def test_copied_weights_give_what_torch_gives(kind: type[Cell]) -> None:
    cell = make(kind)
    reference = TORCH[kind](5, 7, batch_first=True)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(reference, f"{name}_l0").data.copy_(getattr(cell, name))
    inputs = torch.randn(3, 6, 5)
    state = tuple(torch.randn(3, 7) for _ in range(cell.state_size))
    packed = tuple(tensor[None] for tensor in state)
    expected, _ = reference(inputs, packed if cell.state_size == 2 else packed[0])
    torch.testing.assert_close(cell(inputs, state), expected)
    torch.testing.assert_close(cell(inputs), reference(inputs)[0])


@pytest.mark.parametrize("kind", CELLS.values(), ids=list(CELLS))
def test_stepping_equals_reading_whole_with_gradients(kind: type[Cell]) -> None:
    cell = make(kind)
    inputs = torch.randn(3, 6, 5)
    state = cell.initial_state(inputs)
    outputs = []
    for t in range(6):
        state = cell.step(inputs[:, t], state)
        outputs.append(state[0])
    stepped, whole = torch.stack(outputs, 1), cell(inputs)
    torch.testing.assert_close(stepped, whole)
    weights = list(cell.parameters())
    factors = torch.randn_like(whole)
    for a, b in zip(
        torch.autograd.grad((stepped * factors).sum(), weights),
        torch.autograd.grad((whole * factors).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_a_peephole_cell_without_peepholes_is_an_lstm() -> None:
    peephole, lstm = make(PeepholeLSTM), LSTM(5, 7)
    peephole.peephole.data.zero_()
    lstm.load_state_dict({k: v for k, v in peephole.state_dict().items() if k != "peephole"})
    inputs = torch.randn(2, 4, 5)
    torch.testing.assert_close(peephole(inputs), lstm(inputs))


def test_peepholes_follow_the_paper_gate_by_gate() -> None:
    cell = make(PeepholeLSTM)
    x, h, c = torch.randn(1, 5), torch.randn(1, 7), torch.randn(1, 7)
    a = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    p = cell.peephole
    i = torch.sigmoid(a[:, :7] + p[0] * c)
    f = torch.sigmoid(a[:, 7:14] + p[1] * c)
    new = f * c + i * torch.tanh(a[:, 14:21])
    o = torch.sigmoid(a[:, 21:] + p[2] * new)
    hidden, state = cell.step(x, (h, c))
    torch.testing.assert_close(state, new)
    torch.testing.assert_close(hidden, o * torch.tanh(new))


@pytest.mark.parametrize("kind", CELLS.values(), ids=list(CELLS))
def test_recurrent_dropout_touches_only_training_and_only_what_recurs(kind: type[Cell]) -> None:
    dropped, plain = make(kind, 0.5), make(kind)
    inputs = torch.randn(2, 6, 5)
    first = dropped(inputs)
    torch.testing.assert_close(first[:, 0], plain(inputs)[:, 0])  # from zeros nothing recurs at the first position
    assert not torch.allclose(first[:, 1:], plain(inputs)[:, 1:])
    assert torch.equal(dropped.eval()(inputs), plain(inputs))
