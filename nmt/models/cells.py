"""Recurrent cells that read a whole padded sequence with the fastest kernel there is, or go one step by plain products.

A cell's state is a tuple of tensors whose first member is its output h. Whole sequences are never packed: on a CPU only
padded input reaches the oneDNN kernels, and a sequence read from its start never sees the padding at its end. A step is
written out, because `nn.LSTM` called with one position repacks its weights every time.

Recurrent dropout zeroes hidden-to-hidden weights, one mask a batch (DropConnect: Merity et al. 2018, arXiv 1708.02182),
which keeps the whole-sequence kernels.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.linear import linear

CellState = tuple[Tensor, ...]  # each "... H"


class Cell(nn.Module):
    """What every cell shares. `state_size` tensors of `hidden_size` make its state."""

    state_size = 1
    gates = 1

    def __init__(self, input_size: int, hidden_size: int, recurrent_dropout: float = 0.0) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.recurrent_dropout = recurrent_dropout
        self.weight_ih = nn.Parameter(torch.empty(self.gates * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(self.gates * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.zeros(self.gates * hidden_size))
        self.bias_hh = nn.Parameter(torch.zeros(self.gates * hidden_size))
        for weight in (self.weight_ih, self.weight_hh):
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)

    def initial_state(self, inputs: Tensor) -> CellState:
        """Zeros for inputs `B T I`: tensors `B H`."""
        return (inputs.new_zeros(inputs.shape[0], self.hidden_size),) * self.state_size

    def recurrent_weight(self) -> Tensor:
        """The hidden-to-hidden matrix, with recurrent dropout drawn anew while training."""
        return F.dropout(self.weight_hh, self.recurrent_dropout, self.training)

    def forward(self, inputs: Tensor, state: CellState | None = None) -> Tensor:
        """Inputs `B T I` → outputs `B T H`, from `state` (tensors `B H`; zeros by default)."""
        raise NotImplementedError

    def step(self, inputs: Tensor, state: CellState, recurrent_weight: Tensor | None = None) -> CellState:
        """Inputs `... I` and state `... H` → the next state, whose first member is the output.

        `recurrent_weight` is what `recurrent_weight()` gave for the sequence this step is part of.
        """
        raise NotImplementedError

    def advance(self, gates: Tensor, state: CellState) -> CellState:
        """The rest of a step behind its product: `joint_matrix()` times [x; h], and state `... H` → the next state."""
        raise NotImplementedError

    def joint_matrix(self) -> tuple[Tensor, Tensor]:
        """One matrix `G I+H` and bias `G` that make a step one product, of its input and its output before."""
        return torch.cat([self.weight_ih, self.weight_hh], dim=1), self.bias_ih + self.bias_hh

    def _products(self, inputs: Tensor, hidden: Tensor, recurrent_weight: Tensor | None) -> tuple[Tensor, Tensor]:
        weight = self.recurrent_weight() if recurrent_weight is None else recurrent_weight
        return F.linear(inputs, self.weight_ih, self.bias_ih), F.linear(hidden, weight, self.bias_hh)

    def _whole(
        self, kernel: Callable[..., tuple[Tensor, ...]], inputs: Tensor, hidden: Tensor | list[Tensor]
    ) -> Tensor:
        """Run one of torch's sequence kernels over `B T I`."""
        weights = [self.weight_ih, self.recurrent_weight(), self.bias_ih, self.bias_hh]
        with warnings.catch_warnings():  # cuDNN would like the four weights in one block of memory; it copies them
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
            # has_biases, layers, dropout, train, bidirectional, batch_first
            return kernel(inputs, hidden, weights, True, 1, 0.0, self.training, False, True)[0]


class LSTM(Cell):
    """Hochreiter & Schmidhuber 1997 with forget gates (Gers et al. 2000); gates in torch's order i, f, g, o."""

    state_size = 2
    gates = 4

    def forward(self, inputs: Tensor, state: CellState | None = None) -> Tensor:
        hidden, cell = state or self.initial_state(inputs)
        return self._whole(torch.lstm, inputs, [hidden.unsqueeze(0), cell.unsqueeze(0)])

    def step(self, inputs: Tensor, state: CellState, recurrent_weight: Tensor | None = None) -> CellState:
        from_input, from_hidden = self._products(inputs, state[0], recurrent_weight)
        return self.advance(from_input + from_hidden, state)

    def advance(self, gates: Tensor, state: CellState) -> CellState:
        i, f, g, o = gates.chunk(4, dim=-1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


class GRU(Cell):
    """Cho et al. 2014 in cuDNN's form (reset after the product); gates in torch's order r, z, n."""

    gates = 3

    def forward(self, inputs: Tensor, state: CellState | None = None) -> Tensor:
        (hidden,) = state or self.initial_state(inputs)
        return self._whole(torch.gru, inputs, hidden.unsqueeze(0))

    def step(self, inputs: Tensor, state: CellState, recurrent_weight: Tensor | None = None) -> CellState:
        from_input, from_hidden = self._products(inputs, state[0], recurrent_weight)
        input_r, input_z, input_n = from_input.chunk(3, dim=-1)
        hidden_r, hidden_z, hidden_n = from_hidden.chunk(3, dim=-1)
        return self._next(input_r + hidden_r, input_z + hidden_z, input_n, hidden_n, state)

    def advance(self, gates: Tensor, state: CellState) -> CellState:
        r, z, input_n, hidden_n = gates.chunk(4, dim=-1)
        return self._next(r, z, input_n, hidden_n, state)

    def joint_matrix(self) -> tuple[Tensor, Tensor]:
        """Four gates of H: r, z, and the two halves of n, which meet only behind r."""
        (input_rz, input_n), (hidden_rz, hidden_n) = (self._cut(w) for w in (self.weight_ih, self.weight_hh))
        rows = (
            torch.cat([input_rz, hidden_rz], dim=1),
            torch.cat([input_n, torch.zeros_like(hidden_n)], dim=1),
            torch.cat([torch.zeros_like(input_n), hidden_n], dim=1),
        )
        (bias_rz, bias_n), (other_rz, other_n) = self._cut(self.bias_ih), self._cut(self.bias_hh)
        return torch.cat(rows), torch.cat([bias_rz + other_rz, bias_n, other_n])

    def _cut(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return rows[: 2 * self.hidden_size], rows[2 * self.hidden_size :]

    def _next(self, r: Tensor, z: Tensor, input_n: Tensor, hidden_n: Tensor, state: CellState) -> CellState:
        update = z.sigmoid()
        candidate = (input_n + r.sigmoid() * hidden_n).tanh()
        return ((1 - update) * candidate + update * state[0],)


class RNN(Cell):
    """Elman 1990: h = tanh(W x + U h + b)."""

    def forward(self, inputs: Tensor, state: CellState | None = None) -> Tensor:
        (hidden,) = state or self.initial_state(inputs)
        return self._whole(torch.rnn_tanh, inputs, hidden.unsqueeze(0))

    def step(self, inputs: Tensor, state: CellState, recurrent_weight: Tensor | None = None) -> CellState:
        from_input, from_hidden = self._products(inputs, state[0], recurrent_weight)
        return self.advance(from_input + from_hidden, state)

    def advance(self, gates: Tensor, state: CellState) -> CellState:
        return (gates.tanh(),)


class PeepholeLSTM(Cell):
    """LSTM whose gates see the cell (Gers & Schmidhuber 2000): i and f the last one, o the current one.

    No library has a kernel for it, so a sequence is a loop; only the products with the input are done at once.
    """

    state_size = 2
    gates = 4

    def __init__(self, input_size: int, hidden_size: int, recurrent_dropout: float = 0.0) -> None:
        super().__init__(input_size, hidden_size, recurrent_dropout)
        self.peephole = nn.Parameter(torch.zeros(3, hidden_size))  # of i, f and o

    def forward(self, inputs: Tensor, state: CellState | None = None) -> Tensor:
        state = state or self.initial_state(inputs)
        weight = self.recurrent_weight()
        outputs = []
        for products in linear(inputs, self.weight_ih, self.bias_ih).unbind(1):
            state = self.advance(products + linear(state[0], weight, self.bias_hh), state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1)

    def step(self, inputs: Tensor, state: CellState, recurrent_weight: Tensor | None = None) -> CellState:
        from_input, from_hidden = self._products(inputs, state[0], recurrent_weight)
        return self.advance(from_input + from_hidden, state)

    def advance(self, gates: Tensor, state: CellState) -> CellState:
        i, f, g, o = gates.chunk(4, dim=-1)
        of_input, of_forget, of_output = self.peephole
        cell = state[1]
        cell = (f + of_forget * cell).sigmoid() * cell + (i + of_input * cell).sigmoid() * g.tanh()
        return (o + of_output * cell).sigmoid() * cell.tanh(), cell
