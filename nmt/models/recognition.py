"""The recogniser's model: Frontend → RecurrentEncoder → CTC output. It scores frames; a search chooses a text."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.models.dropout import Dropout
from nmt.models.frontend import Frontend
from nmt.models.recurrent import RecurrentEncoder


class FrameScores(NamedTuple):
    """log p(symbol) of every frame, float32; what stands beyond `lengths` means nothing."""

    log_probs: Float[Tensor, "B F V"]
    lengths: Int[Tensor, " B"]


class RecognitionModel(nn.Module):
    """Lines in, log-probabilities of V symbols (0 the blank) for every frame out."""

    def __init__(
        self, frontend: Frontend, encoder: RecurrentEncoder, *, symbols: int, dropout: Dropout, shortcut: bool
    ) -> None:
        """`shortcut`: a second output straight from the front-end, for `with_shortcut`."""
        super().__init__()
        self.frontend = frontend
        self.encoder = encoder
        self.dropout = dropout
        self.output = nn.Linear(encoder.output_size, symbols)
        self.shortcut = nn.Linear(frontend.output_size, symbols) if shortcut else None

    def forward(self, inputs: Float[Tensor, "B C Y X"], lengths: Int[Tensor, " B"]) -> FrameScores:
        """Inputs are zero beyond `lengths` columns."""
        return self._read(inputs, lengths)[0]

    def with_shortcut(
        self, inputs: Float[Tensor, "B C Y X"], lengths: Int[Tensor, " B"]
    ) -> tuple[FrameScores, Float[Tensor, "B F V"] | None]:
        """The scores, and those of the shortcut, which teach the convolutions what a recurrent layer hides from them.

        Retsinas et al. 2022, "Best Practices for a Handwritten Text Recognition System", section 3.3.
        """
        scores, vectors = self._read(inputs, lengths)
        return scores, None if self.shortcut is None else _log_softmax(self.shortcut(vectors))

    def _read(self, inputs: Tensor, lengths: Tensor) -> tuple[FrameScores, Tensor]:
        vectors, lengths = self.frontend(inputs, lengths)
        outputs = self.dropout(self.encoder(vectors, lengths))
        return FrameScores(_log_softmax(self.output(outputs)), lengths), vectors


def _log_softmax(logits: Tensor) -> Tensor:
    """In float32, also where the products around it are not."""
    with torch.autocast(logits.device.type, enabled=False):
        return logits.float().log_softmax(dim=-1)
