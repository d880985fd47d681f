"""What our training step is measured against: the loop that one writes first, and the machine's matrix products."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.config.schema import Config
from nmt.data.batch import TranslationBatch
from nmt.models.masks import padding_mask

Step = Callable[[TranslationBatch], None]


class LoopModel(nn.Module):
    """GNMT's first wiring (context fed back) at the sizes of a configuration, one target position at a time."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size, width = config.model.hidden_size, config.model.embedding_size
        self.p = config.model.dropout.input
        self.embedding = nn.Embedding(config.tokenizer.vocabulary_size, width)
        self.both_ways = nn.LSTM(width, size, batch_first=True, bidirectional=True)
        above = config.model.encoder_layers - 1
        self.above = nn.LSTM(2 * size, size, above, batch_first=True, dropout=self.p if above > 1 else 0.0)
        inputs = [width + size] + [2 * size] * (config.model.decoder_layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(i, size) for i in inputs)
        self.output = nn.Linear(size, config.tokenizer.vocabulary_size)
        if width == size:
            self.output.weight = self.embedding.weight

    def forward(self, batch: TranslationBatch) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            F.dropout(self.embedding(batch.source), self.p),
            *(batch.source_lengths, True, False),
        )
        middle = nn.utils.rnn.pad_packed_sequence(self.both_ways(packed)[0], batch_first=True)[0]
        packed = nn.utils.rnn.pack_padded_sequence(F.dropout(middle, self.p), batch.source_lengths, True, False)
        memory = nn.utils.rnn.pad_packed_sequence(self.above(packed)[0], batch_first=True)[0]
        padding = ~padding_mask(batch.source_lengths, memory.shape[1])
        zeros = memory.new_zeros(len(memory), memory.shape[2])
        states, context, outputs = [(zeros, zeros)] * len(self.cells), zeros, []
        for embedded in self.embedding(batch.target_input).unbind(1):
            values = torch.cat([embedded, context], dim=-1)
            for i, cell in enumerate(self.cells):
                states[i] = cell(F.dropout(values, self.p), states[i])
                if i == 0:
                    scores = torch.bmm(memory, states[0][0][:, :, None])[:, :, 0].masked_fill(padding, -1e9)
                    context = torch.bmm(scores.softmax(-1)[:, None], memory)[:, 0]
                values = torch.cat([states[i][0], context], dim=-1)
            outputs.append(states[-1][0])
        logits: Tensor = self.output(torch.stack(outputs, dim=1))
        return logits


def textbook_loop(config: Config) -> Step:
    """(a): what one writes first."""
    model = LoopModel(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.train.optimizer.learning_rate)

    def step(batch: TranslationBatch) -> None:
        optimizer.zero_grad()
        real = padding_mask(batch.target_lengths, batch.target_input.shape[1])
        targets = batch.target_output.masked_fill(~real, -100)
        smoothing = config.train.label_smoothing
        F.cross_entropy(model(batch).flatten(0, 1), targets.flatten(), label_smoothing=smoothing).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def bare_products(config: Config, *, dtype: torch.dtype) -> Step:
    """(b): the matrix products of our step and nothing else, on matrices that lie ready."""
    matrices: dict[tuple[int, ...], Tensor] = {}

    def matrix(*shape: int) -> Tensor:
        if shape not in matrices:
            matrices[shape] = torch.randn(shape).to(dtype)
        return matrices[shape]

    def step(batch: TranslationBatch) -> None:
        for n, k, m, times in products(config, batch):
            for _ in range(times):
                torch.mm(matrix(n, k), matrix(k, m))
        size = config.model.hidden_size
        sentences, source, target = *batch.source.shape, batch.target_input.shape[1]
        for _ in range(2):  # scores, and contexts: T×S×H each, once forward and twice backward
            torch.bmm(matrix(sentences, target, size), matrix(sentences, size, source))
            torch.bmm(matrix(sentences, target, source), matrix(sentences, source, size))
            torch.bmm(matrix(sentences, source, target), matrix(sentences, target, size))

    return step


def products(config: Config, batch: TranslationBatch) -> Iterator[tuple[int, int, int, int]]:
    """(n, k, m, how often) of every product `n×k · k×m` of a step, forward, for inputs and for weights."""
    model = config.model
    size, width = model.hidden_size, model.embedding_size
    each_way, below, lstms = model.bidirectional_size or size, width, []
    for layer in range(model.encoder_layers):
        both_ways = layer < model.bidirectional_layers
        lstms += [(below, each_way, batch.source)] * 2 if both_ways else [(below, size, batch.source)]
        below = 2 * each_way if both_ways else size
    lstms += [(width, size, batch.target_input)] + [(2 * size, size, batch.target_input)] * (model.decoder_layers - 1)
    for inputs, hidden, tokens in lstms:
        sentences, length = tokens.shape
        yield sentences * length, inputs, 4 * hidden, 1  # W x of all positions
        yield sentences * length, 4 * hidden, inputs, 1
        yield 4 * hidden, sentences * length, inputs, 1
        yield sentences, hidden, 4 * hidden, length  # U h, one position after the other
        yield sentences, 4 * hidden, hidden, length
        yield 4 * hidden, sentences * length, hidden, 1
    real, vocabulary = int(batch.target_lengths.sum()), config.tokenizer.vocabulary_size
    linear = [(real, width, vocabulary)]
    if model.deep_output:
        linear.append((batch.target_input.numel(), 2 * size + width, size))
    if size != width:
        linear.append((real, size, width))
    for n, k, m in linear:
        yield from ((n, k, m, 1), (n, m, k, 1), (m, n, k, 1))
