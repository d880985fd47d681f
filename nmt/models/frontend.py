"""Lines of handwriting → frame vectors and exact frame counts, by convolutions that never see padding.

An image is `B C Y X`; pen strokes are the same with height 1: C features of X points. A convolution of odd kernel k
reads (k - 1) / 2 columns of zeros beyond either end and, with stride s, makes ⌈X / s⌉ columns of X; pooling by p makes
⌈X / p⌉. Every block sets its padded columns to zero, so a line alone and in a batch give the same frames.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.dropout import drop
from nmt.models.masks import padding_mask
from nmt.models.normalization import ChannelNorm, MaskedBatchNorm, NoNorm
from nmt.models.pooling import max_pool

Columns = Literal["max", "mean", "flatten"]
Number = TypeVar("Number", int, Tensor)
FEW_CHANNELS = 8
Pair = tuple[int, int]  # along the height, along the line


class Frames(NamedTuple):
    """What a recurrent encoder reads."""

    vectors: Float[Tensor, "B F D"]
    lengths: Int[Tensor, " B"]


class ConvolutionBlock(nn.Module):
    """Convolution, normalisation, the block's input if `residual`, maximum pooling, ReLU, dropout.

    A residual block has stride 1 and as many channels as it reads.
    """

    def __init__(
        self,
        input_channels: int,
        channels: int,
        *,
        kernel: Pair,
        stride: Pair,
        pool: Pair,
        normalization: MaskedBatchNorm | ChannelNorm | NoNorm,
        dropout: float,
        residual: bool,
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        bias = isinstance(normalization, NoNorm)
        self.convolution = nn.Conv2d(input_channels, channels, kernel, stride, padding, bias=bias)
        self.normalization = normalization
        self.stride, self.pool = stride, pool
        self.dropout = dropout
        self.residual = residual

    def size(self, columns: int, axis: int = 1) -> int:
        """Columns (axis 1) or rows (axis 0) of what `columns` become."""
        return _divided_up(_divided_up(columns, self.stride[axis]), self.pool[axis])

    def forward(
        self, maps: Float[Tensor, "B C Y X"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B D y x"], Int[Tensor, " B"]]:
        """`maps` is zero beyond `lengths`, and so is what comes back."""
        outputs = self._convolve(maps)
        lengths = _divided_up(lengths, self.stride[1])
        outputs = self.normalization(outputs, padding_mask(lengths, outputs.shape[3]))
        if self.residual:
            outputs = outputs + maps
        if self.pool != (1, 1):  # before ReLU, which has less to do then: a zero of padding may win, and ReLU agrees
            outputs = max_pool(outputs, self.pool)
            lengths = _divided_up(lengths, self.pool[1])
        outputs = F.relu(outputs)
        return drop(outputs, self.dropout) if self.training and self.dropout else outputs, lengths

    def _convolve(self, maps: Tensor) -> Tensor:
        """Where few channels are read, a CPU is several times faster with channels last (and only there)."""
        if self.convolution.in_channels < FEW_CHANNELS and maps.device.type == "cpu":
            maps = maps.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1)
        outputs: Tensor = self.convolution(maps)
        return outputs.contiguous()


class Frontend(nn.Module):
    """Blocks of convolutions, then every column as one vector of `output_size`."""

    def __init__(self, blocks: Sequence[ConvolutionBlock], *, channels: int, height: int, columns: Columns) -> None:
        """`channels` and `height` of the input; without blocks its columns are the vectors."""
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.columns = columns
        for block in blocks:
            channels, height = block.convolution.out_channels, block.size(height, axis=0)
        self.output_size = channels * height if columns == "flatten" else channels

    @property
    def stride(self) -> int:
        """Columns of the input from one frame to the next."""
        stride = 1
        for block in self.blocks:
            assert isinstance(block, ConvolutionBlock)
            stride *= block.stride[1] * block.pool[1]
        return stride

    def frames(self, columns: int) -> int:
        """How many frames an input of so many columns gives, exactly."""
        for block in self.blocks:
            assert isinstance(block, ConvolutionBlock)
            columns = block.size(columns)
        return columns

    def forward(self, inputs: Float[Tensor, "B C Y X"], lengths: Int[Tensor, " B"]) -> Frames:
        """`inputs` are zero beyond `lengths` columns."""
        maps = inputs
        for block in self.blocks:
            maps, lengths = block(maps, lengths)
        if self.columns == "max":
            vectors = max_pool(maps, (maps.shape[2], 1))[:, :, 0]
        elif self.columns == "mean":
            vectors = maps.mean(dim=2)
        else:
            vectors = maps.flatten(1, 2)
        return Frames(vectors.transpose(1, 2), lengths)


def _divided_up(count: Number, by: int) -> Number:
    """⌈count / by⌉."""
    return (count + by - 1) // by
