"""The recurrent core: vectors and lengths in, vectors out. GNMT's encoder (Wu et al. 2016, arXiv 1609.08144).

The lowest layers read both ways and concatenate (H each way, or another size); those above read forwards. From layer
`residual_from` on, counted from 1, output = cell(x) + x, wherever x has the output's size.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.models.cells import Cell
from nmt.models.dropout import Dropout
from nmt.models.masks import padding_mask, reorder_positions, reversal_index

MakeCell = Callable[[int, int], Cell]  # (input size, hidden size) → a cell


class BidirectionalLayer(nn.Module):
    """One cell reads each sentence from its start, one from its end; outputs are concatenated to 2 H."""

    def __init__(self, input_size: int, hidden_size: int, make_cell: MakeCell) -> None:
        super().__init__()
        self.forwards = make_cell(input_size, hidden_size)
        self.backwards = make_cell(input_size, hidden_size)

    def forward(self, inputs: Float[Tensor, "B S I"], reversal: Int[Tensor, "B S"]) -> Float[Tensor, "B S O"]:
        ahead = self.forwards(inputs)
        back = reorder_positions(self.backwards(reorder_positions(inputs, reversal)), reversal)
        return torch.cat([ahead, back], dim=-1)


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers. `output_size` is the width of what it returns."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        layers: int,
        make_cell: MakeCell,
        bidirectional_layers: int = 1,
        bidirectional_size: int | None = None,
        residual_from: int = 3,
        dropout: float = 0.0,
        variational: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.dropout = Dropout(dropout, variational=variational)
        self.residual = []
        size = input_size
        for number in range(1, layers + 1):
            if number <= bidirectional_layers:
                each_way = bidirectional_size or hidden_size
                self.layers.append(BidirectionalLayer(size, each_way, make_cell))
                output_size = 2 * each_way
            else:
                self.layers.append(make_cell(size, hidden_size))
                output_size = hidden_size
            self.residual.append(number >= residual_from and size == output_size)
            size = output_size
        self.output_size = size

    def forward(self, inputs: Float[Tensor, "B S I"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B S O"]:
        """Read B sequences padded at their end. What is returned for padding is zero."""
        reversal = reversal_index(lengths, inputs.shape[1])
        values = inputs
        for layer, residual in zip(self.layers, self.residual, strict=True):
            dropped = self.dropout(values)
            outputs = layer(dropped, reversal) if isinstance(layer, BidirectionalLayer) else layer(dropped)
            values = outputs + values if residual else outputs
        return values * padding_mask(lengths, inputs.shape[1])[:, :, None]
