"""The encoder's stack: against torch.nn, alone against in a batch, and its residual connections."""

from functools import partial

import pytest
import torch
from torch import nn

from nmt.models.build import CELLS
from nmt.models.cells import LSTM
from nmt.models.dropout import Dropout
from nmt.models.recurrent import RecurrentEncoder


def encoder(layers: int = 4, bidirectional: int = 1, residual_from: int = 3, cell: str = "lstm") -> RecurrentEncoder:
    torch.manual_seed(1)
    return RecurrentEncoder(
        6,
        8,
        layers=layers,
        make_cell=CELLS[cell],
        bidirectional_layers=bidirectional,
        residual_from=residual_from,
    )


def test_one_layer_both_ways_equals_a_packed_bidirectional_lstm() -> None:
    model = encoder(layers=1)
    reference = nn.LSTM(6, 8, batch_first=True, bidirectional=True)
    for part, suffix in ((model.layers[0].forwards, ""), (model.layers[0].backwards, "_reverse")):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(reference, f"{name}_l0{suffix}").data.copy_(getattr(part, name))
    inputs, lengths = torch.randn(3, 5, 6), torch.tensor([5, 2, 4])
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True, total_length=5)
    torch.testing.assert_close(model(inputs, lengths), expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [0, 1, 3])
def test_a_sentence_alone_equals_itself_in_a_batch(cell: str, bidirectional: int) -> None:
    model = encoder(layers=3, bidirectional=bidirectional, residual_from=2, cell=cell)
    inputs, lengths = torch.randn(3, 7, 6), torch.tensor([4, 7, 1])
    together = model(inputs, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = model(inputs[i : i + 1, :length], lengths[i : i + 1])
        torch.testing.assert_close(together[i, :length], alone[0], atol=1e-6, rtol=1e-5)
        assert not together[i, length:].any()  # padding comes back as zeros …
    disturbed = inputs.clone()
    disturbed[0, 4:] = 99.0  # … whatever stood there
    torch.testing.assert_close(model(disturbed, lengths), together)


def test_residual_layers_add_their_input() -> None:
    model = encoder(layers=4, residual_from=3)
    assert model.residual == [False, False, True, True]
    for parameter in model.layers[2:].parameters():
        parameter.data.zero_()  # an LSTM of zeros puts out zeros, so only what is added passes through
    inputs, lengths = torch.randn(2, 3, 6), torch.tensor([3, 3])
    below = encoder(layers=2)
    below.load_state_dict({k: v for k, v in model.state_dict().items() if k.split(".")[1] in "01"})
    torch.testing.assert_close(model(inputs, lengths), below(inputs, lengths))


def test_no_residual_where_sizes_differ() -> None:
    model = encoder(layers=3, bidirectional=1, residual_from=1)  # 6 → 16 → 8 → 8
    assert model.residual == [False, False, True]
    assert model.output_size == 8
    assert encoder(layers=2, bidirectional=2).output_size == 16


def test_variational_dropout_keeps_one_mask_for_all_positions() -> None:
    torch.manual_seed(0)
    ones = torch.ones(2, 5, 50)
    out = Dropout(0.5, variational=True).train()(ones)
    assert (out == out[:, :1]).all() and set(out.unique().tolist()) == {0.0, 2.0}
    assert not (out[0, 0] == out[1, 0]).all()
    plain = Dropout(0.5).train()(ones)
    assert not (plain == plain[:, :1]).all()
    assert torch.equal(Dropout(0.5, variational=True).eval()(ones), ones)


def test_dropout_acts_on_the_input_of_every_layer() -> None:
    model = RecurrentEncoder(6, 8, layers=3, make_cell=partial(LSTM), dropout=0.5)
    seen: list[torch.Tensor] = []
    for layer in model.layers:
        layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.train()(torch.ones(4, 5, 6), torch.tensor([5, 5, 5, 5]))
    assert len(seen) == 3 and all(0.2 < (part == 0).float().mean() < 0.8 for part in seen)
