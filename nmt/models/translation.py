"""The translator's model: embedding → RecurrentEncoder → AttentionDecoder → vocabulary. It scores; a search chooses."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.models.decoder import AttentionDecoder, Decoded, DecoderState, Memory
from nmt.models.dropout import Dropout, TokenDropout
from nmt.models.linear import Linear
from nmt.models.recurrent import RecurrentEncoder


class OutputLayer(nn.Module):
    """Decoder outputs → logits, through a matrix that may be the target embedding's (Press & Wolf 2017).

    Where the decoder's outputs are not as wide as the matrix, a projection without bias stands between.
    """

    def __init__(self, input_size: int, embedding: nn.Embedding | None, vocabulary_size: int) -> None:
        super().__init__()
        width = input_size if embedding is None else embedding.embedding_dim
        self.projection = Linear(input_size, width, bias=False) if width != input_size else nn.Identity()
        self.weight = nn.Parameter(torch.empty(vocabulary_size, width)) if embedding is None else embedding.weight
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, outputs: Float[Tensor, "... O"]) -> Float[Tensor, "... V"]:
        return F.linear(self.projection(outputs), self.weight, self.bias)


class StepLogits(NamedTuple):
    """What one step of K rows a sentence says."""

    logits: Float[Tensor, "B K V"]
    attention: Float[Tensor, "B K S"]


class TranslationModel(nn.Module):
    """GNMT. Token ids in, logits out; the memory and the states are passed, never kept."""

    def __init__(
        self,
        source_embedding: nn.Embedding,
        target_embedding: nn.Embedding,
        *,
        encoder: RecurrentEncoder,
        decoder: AttentionDecoder,
        output: OutputLayer,
        output_dropout: Dropout,
        token_dropout: TokenDropout,
    ) -> None:
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.decoder = decoder
        self.output = output
        self.output_dropout = output_dropout
        self.token_dropout = token_dropout

    @property
    def vocabulary_size(self) -> int:
        """Target symbols that can be chosen."""
        return self.output.bias.shape[0]

    def encode(self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"]) -> Memory:
        """Read B sources, `</s>` included in their lengths, and project their keys."""
        return self.decoder.remember(self.encoder(self.token_dropout(self.source_embedding(source)), lengths), lengths)

    def embed_target(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """Target words as vectors, some of them dropped in training."""
        embedded: Tensor = self.token_dropout(self.target_embedding(tokens))
        return embedded

    def decode(self, target_input: Int[Tensor, "B T"], memory: Memory) -> Decoded:
        """Read B whole targets that begin with `<s>`; what comes back is ready for `output`."""
        decoded = self.decoder(self.embed_target(target_input), memory)
        return Decoded(self.output_dropout(decoded.outputs), decoded.attention)

    def forward(
        self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"], target_input: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Logits of every next token of known targets."""
        logits: Tensor = self.output(self.decode(target_input, self.encode(source, lengths)).outputs)
        return logits

    def initial_state(self, memory: Memory) -> DecoderState:
        """Before `<s>`, one row a sentence."""
        return self.decoder.initial_state(memory)

    def step(self, tokens: Int[Tensor, "B K"], memory: Memory, state: DecoderState) -> tuple[StepLogits, DecoderState]:
        """Read one token of K rows of each sentence and score what may follow."""
        decoded, state = self.decoder.step(self.target_embedding(tokens), memory, state)
        return StepLogits(self.output(decoded.outputs), decoded.attention), state
