"""Steps of a decoder without gradient or dropout, one row a sentence, with all that stays between them prepared once.

For reading many positions of one batch: a layer's step is one product with one matrix, padding is a bias of attention,
and the output layer's matrix is packed for products of few rows. The numbers are those of `AttentionDecoder.step`, but
for their last bits, which here may depend on how many sentences there are.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.models.cells import CellState
from nmt.models.decoder import AttentionDecoder, Memory
from nmt.models.linear import PackedLinear, linear, packs
from nmt.models.translation import OutputLayer

_WORTH_PACKING = 6  # products: packing the matrix costs about what oneDNN saves in so many (3 to 8 rows, measured)


class StepState(NamedTuple):
    """What n sentences have read: the layers' states, and the parts of which the output layer's input is made."""

    layers: tuple[CellState, ...]  # each tensor "n H"
    values: Float[Tensor, "n H"]
    context: Float[Tensor, "n M"]
    embedded: Float[Tensor, "n E"]


class Steps:
    """An attention decoder ready to read the targets of one memory. The weights must not change meanwhile."""

    def __init__(self, decoder: AttentionDecoder, memory: Memory) -> None:
        self.decoder = decoder
        self.memory = memory
        self.matrices = [_in_autocast(*cell.joint_matrix()) for cell in decoder.cells]
        lowest = torch.finfo(torch.float32).min
        self.padding = torch.zeros(memory.mask.shape, device=memory.mask.device).masked_fill_(~memory.mask, lowest)

    def start(self) -> StepState:
        """Before the first word."""
        begin = self.decoder.initial_state(self.memory)
        layers = tuple(tuple(tensor[:, 0] for tensor in layer) for layer in begin.layers)
        nothing = self.memory.values.new_zeros(len(self.padding), self.memory.values.shape[-1])
        return StepState(layers, layers[-1][0], nothing, nothing)

    def read(self, embedded: Float[Tensor, "n E"], before: StepState) -> StepState:
        """One word of each of the first n sentences; the others leave."""
        count = embedded.shape[0]
        inputs = [embedded, before.context[:count]] if self.decoder.input_feeding else [embedded]
        layers = [self._advance(0, inputs, before)]
        values = layers[0][0]
        context = self._attend(values)
        for i in range(1, len(self.matrices)):
            layers.append(self._advance(i, [values, context], before))
            outputs = layers[i][0]
            values = outputs + values if i + 1 >= self.decoder.residual_from else outputs
        return StepState(tuple(layers), values, context, embedded)

    def outputs(self, state: StepState, rows: Int[Tensor, " m"]) -> Float[Tensor, "m O"]:
        """What the output layer reads at some of the sentences."""
        return self.decoder.outputs(*(part.index_select(0, rows) for part in state[1:]))

    def _advance(self, layer: int, inputs: list[Tensor], before: StepState) -> CellState:
        state = tuple(tensor[: len(inputs[0])] for tensor in before.layers[layer])
        gates = linear(torch.cat([*inputs, state[0]], dim=-1), *self.matrices[layer])
        return self.decoder.cells[layer].advance(gates, state)

    def _attend(self, query: Tensor) -> Tensor:
        keys, values, _ = (part[: len(query)] for part in self.memory)
        scores = self.decoder.attention.score_one(query, keys).float() + self.padding[: len(query), None]
        return torch.bmm(scores.softmax(dim=-1).to(values.dtype), values)[:, 0]


class OutputSteps:
    """An output layer ready for `times` products of a few rows."""

    def __init__(self, output: OutputLayer, times: int) -> None:
        self.projection = output.projection
        matrix, bias = _in_autocast(output.weight, output.bias)
        self.packed = PackedLinear(matrix, bias) if times >= _WORTH_PACKING and packs(matrix) else None
        self.output = output

    def __call__(self, outputs: Float[Tensor, "m O"]) -> Float[Tensor, "m V"]:
        """Logits."""
        logits: Tensor = self.output(outputs) if self.packed is None else self.packed(self.projection(outputs))
        return logits


def _in_autocast(matrix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """In the number format that autocast, where it is on, would turn them to at every product."""
    device = matrix.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else matrix.dtype
    return matrix.to(dtype), bias.to(dtype)
