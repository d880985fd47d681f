"""The attention decoder in GNMT's second wiring: a whole target layer by layer, or one token of every beam at a time.

Layer 1 reads embeddings only, and its *current* output is the attention's query; the context c is concatenated to the
input of every layer above; from layer `residual_from` on, output = cell([x; c]) + x. So no layer waits for the
attention of an earlier step, and a known target is read as whole sequences. With `input_feeding` layer 1 also reads the
context of the step before (Luong et al. 2015, section 3.3; the wiring of the GNMT paper), and the target is read step
by step.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.models.attention import Attention
from nmt.models.cells import Cell, CellState
from nmt.models.dropout import Dropout
from nmt.models.linear import Linear
from nmt.models.masks import padding_mask
from nmt.models.recurrent import MakeCell


class Memory(NamedTuple):
    """What the decoder attends to: keys projected once, the vectors averaged, and where they are real."""

    keys: Float[Tensor, "B S A"]
    values: Float[Tensor, "B S M"]
    mask: Bool[Tensor, "B S"]


class DecoderState(NamedTuple):
    """The recurrent states of K rows of each sentence, and the context each row saw last (input feeding only)."""

    layers: tuple[tuple[Float[Tensor, "B K H"], ...], ...]
    context: Float[Tensor, "B K M"] | None


class Decoded(NamedTuple):
    """What the output layer reads, and where each position looked."""

    outputs: Float[Tensor, "B T O"]
    attention: Float[Tensor, "B T S"]


# The embedded token `B 1 E` at position t, when the step before said this (None at position 0)
ReadNext = Callable[[int, Decoded | None], Tensor]


class Bridge(nn.Module):
    """Initial state from the source: h = tanh(W m̄), m̄ the mean of the memory (Bahdanau et al. 2015, appendix A.2.2)."""

    def __init__(self, memory_size: int, hidden_size: int, tensors: int) -> None:
        super().__init__()
        self.tensors = tensors
        self.projection = Linear(memory_size, hidden_size * tensors)

    def forward(self, memory: Memory) -> list[Float[Tensor, "B 1 H"]]:
        mean = memory.values.sum(1, keepdim=True) / memory.mask.sum(1)[:, None, None]
        return list(self.projection(mean).tanh().chunk(self.tensors, dim=-1))


class DeepOutput(nn.Module):
    """r = tanh(W [h; c; y]): state, context and the word just read reach the output layer directly.

    Pascanu et al. 2014; Bahdanau et al. 2015, appendix A.2.2 (with a maxout); Luong et al. 2015, eq. 5 (without y).
    """

    def __init__(self, hidden_size: int, memory_size: int, embedding_size: int) -> None:
        super().__init__()
        self.projection = Linear(hidden_size + memory_size + embedding_size, hidden_size)

    def forward(self, hidden: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        return torch.tanh(self.projection(torch.cat([hidden, context, embedded], dim=-1)))


class AttentionDecoder(nn.Module):
    """Reads embedded targets against a memory.

    `output_size` is H, or H + M where a single layer has none above it and there is no deep output.
    """

    def __init__(
        self,
        embedding_size: int,
        hidden_size: int,
        memory_size: int,
        *,
        layers: int,
        make_cell: MakeCell,
        attention: Attention,
        residual_from: int = 3,
        dropout: float = 0.0,
        variational: bool = False,
        input_feeding: bool = False,
        deep_output: bool = False,
        bridge: bool = False,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.input_feeding = input_feeding
        self.residual_from = residual_from
        self.dropout = Dropout(dropout, variational=variational)
        first = make_cell(embedding_size + (memory_size if input_feeding else 0), hidden_size)
        above = [make_cell(hidden_size + memory_size, hidden_size) for _ in range(layers - 1)]
        self.layers = nn.ModuleList([first, *above])
        self.hidden_size = hidden_size
        self.state_size = first.state_size
        self.deep_output = DeepOutput(hidden_size, memory_size, embedding_size) if deep_output else None
        self.output_size = hidden_size if layers > 1 or deep_output else hidden_size + memory_size
        self.bridge = Bridge(memory_size, hidden_size, layers * first.state_size) if bridge else None

    @property
    def cells(self) -> list[Cell]:
        """The layers, lowest first."""
        return cast(list[Cell], list(self.layers))

    def remember(self, values: Float[Tensor, "B S M"], lengths: Int[Tensor, " B"]) -> Memory:
        """Project the keys of encoded sentences, once."""
        return Memory(self.attention.project_keys(values), values, padding_mask(lengths, values.shape[1]))

    def initial_state(self, memory: Memory) -> DecoderState:
        """The state before the first token, of one row a sentence."""
        count = len(self.layers) * self.state_size
        batch = memory.values.shape[0]
        if self.bridge is None:
            tensors = [memory.values.new_zeros(batch, 1, self.hidden_size)] * count
        else:
            tensors = self.bridge(memory)
        size = self.state_size
        layers = tuple(tuple(tensors[i : i + size]) for i in range(0, count, size))
        context = memory.values.new_zeros(batch, 1, memory.values.shape[-1]) if self.input_feeding else None
        return DecoderState(layers, context)

    def forward(self, embedded: Float[Tensor, "B T E"], memory: Memory) -> Decoded:
        """Read B whole targets."""
        if self.input_feeding:
            return self.unroll(lambda t, _: embedded[:, t : t + 1], memory, steps=embedded.shape[1])
        values, context, weights = self._read(embedded, memory)
        return Decoded(self.outputs(values, context, embedded), weights)

    def forward_at(
        self, embedded: Float[Tensor, "B T E"], memory: Memory, *, rows: Int[Tensor, " N"], positions: Int[Tensor, " N"]
    ) -> Float[Tensor, "N O"]:
        """Read B whole targets for what the output layer reads at some positions alone."""
        if self.input_feeding:
            return self.forward(embedded, memory).outputs[rows, positions]
        values, context, _ = self._read(embedded, memory)
        return self.outputs(*(part[rows, positions] for part in (values, context, embedded)))

    def _read(self, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """The last layer's values `B T H`, the contexts `B T M` and their weights `B T S`."""
        state = self.initial_state(memory)
        states: list[CellState] = [tuple(tensor[:, 0] for tensor in layer) for layer in state.layers]
        values = self.cells[0](self.dropout(embedded), states[0])
        context, weights = self.attention(values, memory.keys, memory.values, mask=memory.mask)
        for number, (layer, begin) in enumerate(zip(self.cells[1:], states[1:], strict=True), start=2):
            outputs = layer(self.dropout(torch.cat([values, context], dim=-1)), begin)
            values = outputs + values if number >= self.residual_from else outputs
        return values, context, weights

    def step(
        self, embedded: Float[Tensor, "B K E"], memory: Memory, state: DecoderState
    ) -> tuple[Decoded, DecoderState]:
        """Read one token of K rows of each sentence; the "T" of what comes back is K. Dropout is not applied here."""
        return self._step(embedded, memory, state, [None] * len(self.layers), [None] * len(self.layers))

    def unroll(self, embedded: ReadNext, memory: Memory, *, steps: int) -> Decoded:
        """Read whole targets one step at a time, with the masks of dropout drawn once for all steps."""
        state = self.initial_state(memory)
        batch = memory.values.shape[0]
        noise = [self.dropout.noise(memory.values.new_empty(batch, steps, layer.input_size)) for layer in self.cells]
        weights: list[Tensor | None] = [layer.recurrent_weight() for layer in self.cells]
        decoded: list[Decoded] = []
        for t in range(steps):
            at_t = [None if n is None else n[:, t : t + 1] if n.shape[1] > 1 else n for n in noise]
            said, state = self._step(embedded(t, decoded[-1] if decoded else None), memory, state, at_t, weights)
            decoded.append(said)
        return Decoded(*(torch.cat(parts, dim=1) for parts in zip(*decoded, strict=True)))

    def _step(
        self,
        embedded: Tensor,
        memory: Memory,
        state: DecoderState,
        noise: list[Tensor | None],
        weights: list[Tensor | None],
    ) -> tuple[Decoded, DecoderState]:
        inputs = embedded if state.context is None else torch.cat([embedded, state.context], dim=-1)
        new_states = [self.cells[0].step(_times(inputs, noise[0]), state.layers[0], weights[0])]
        values = new_states[0][0]
        context, attended = self.attention(values, memory.keys, memory.values, mask=memory.mask)
        for i in range(1, len(self.layers)):
            inputs = _times(torch.cat([values, context], dim=-1), noise[i])
            new_states.append(self.cells[i].step(inputs, state.layers[i], weights[i]))
            outputs = new_states[i][0]
            values = outputs + values if i + 1 >= self.residual_from else outputs
        state = DecoderState(tuple(new_states), context if self.input_feeding else None)
        return Decoded(self.outputs(values, context, embedded), attended), state

    def outputs(
        self, values: Float[Tensor, "*N H"], context: Float[Tensor, "*N M"], embedded: Float[Tensor, "*N E"]
    ) -> Float[Tensor, "*N O"]:
        """What the output layer reads, at any positions."""
        if self.deep_output is not None:
            outputs: Tensor = self.deep_output(values, context, embedded)
            return outputs
        return values if len(self.layers) > 1 else torch.cat([values, context], dim=-1)


def _times(values: Tensor, noise: Tensor | None) -> Tensor:
    return values if noise is None else values * noise


def reorder_state(
    state: DecoderState, memory: Memory, sentences: Int[Tensor, " b"], rows: Int[Tensor, "b k"]
) -> tuple[DecoderState, Memory]:
    """Keep the sentences named, in that order; row j of the new sentence i continues its old row `rows[i, j]`."""
    before = state.layers[0][0].shape[1]
    places = (sentences[:, None] * before + rows).flatten()  # among all rows of all sentences

    def pick(values: Tensor) -> Tensor:
        return values.flatten(0, 1).index_select(0, places).view(*rows.shape, -1)

    layers = tuple(tuple(pick(tensor) for tensor in layer) for layer in state.layers)
    context = None if state.context is None else pick(state.context)
    if len(sentences) == memory.mask.shape[0]:  # compaction is the only change a memory ever sees
        return DecoderState(layers, context), memory
    values = memory.values.index_select(0, sentences)
    keys = values if memory.keys is memory.values else memory.keys.index_select(0, sentences)
    return DecoderState(layers, context), Memory(keys, values, memory.mask.index_select(0, sentences))
