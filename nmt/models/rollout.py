"""Decoder inputs of which a share is the model's own words: scheduled teacher forcing in parallel passes.

One pass without gradient over the true inputs gives the model's best next word at every position; a coin per token then
decides which inputs of the pass that is trained are replaced (Duckworth et al. 2019, arXiv 1906.04331; Mihaylova &
Martins 2019, with argmax). The first input, `<s>`, is always the truth.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.models.decoder import Memory
from nmt.models.translation import TranslationModel


def mix_inputs(
    model: TranslationModel, target_input: Int[Tensor, "B T"], memory: Memory, *, teacher_forcing: float
) -> Int[Tensor, "B T"]:
    """Replace each input after the first with probability 1 - `teacher_forcing`. Nothing reads replaced padding."""
    if teacher_forcing >= 1.0:
        return target_input
    with torch.no_grad():
        outputs = model.decode(target_input, Memory(*(part.detach() for part in memory))).outputs
        predicted = model.output(outputs[:, :-1]).argmax(dim=-1)
    kept = torch.rand(predicted.shape, device=predicted.device) < teacher_forcing
    return torch.cat([target_input[:, :1], torch.where(kept, target_input[:, 1:], predicted)], dim=1)
