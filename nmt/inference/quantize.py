"""A copy of a model made for decoding: its matrices joined and packed once, in float32, float16, bfloat16 or int8.

    prepare_for_inference(model, precision="32") -> TranslationModel

What comes back goes wherever the model went (`decode_batch`, `DecoderStepper`). Make it once a model, after
`model.to(device)`, not once a batch: it is made from the weights as they are. The model stays as it is, and tensors
that can be shared are. On a CPU a sentence's scores are then the same bits in every batch (see
docs/decisions/batch-invariance.md); on a GPU float32 stays as it was.
"""

import copy
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.inference.products import (
    Fp16Product,
    Int8Product,
    PackedProduct,
    PlainProduct,
    adds_int8_fast,
    multiplies_bf16,
    multiplies_fp16,
    multiplies_int8,
    packs,
)
from nmt.models.cells import LSTM, Cell, CellState
from nmt.models.translation import OutputLayer, TranslationModel

Precision = Literal["auto", "32", "fp16", "bf16", "int8"]
MakeProduct = Callable[[Tensor, Tensor | None], nn.Module]  # (matrix `O I`, bias `O`) → inputs `... I` to `... O`


@torch.no_grad()
def prepare_for_inference(model: TranslationModel, precision: Precision = "32") -> TranslationModel:
    """See above. `auto` takes the fastest numbers the machine has; ConfigError where it lacks those asked for."""
    device = model.output.bias.device
    chosen = _fastest(device) if precision == "auto" else precision
    if device.type != "cpu":
        return _prepare_for_gpu(model, chosen)
    product = _product(chosen)
    tensors = (*model.parameters(), *model.buffers())
    prepared = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors}).eval()
    faster_by_steps = chosen == "bf16" or (chosen == "int8" and adds_int8_fast())  # than whole in float32; measured
    whole_sequences = not faster_by_steps and torch.backends.mkldnn.is_available()
    for module in list(prepared.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Cell) and not (whole_sequences and _in_encoder(prepared, child)):
                module.register_module(name, PreparedCell(child, product))
            elif isinstance(child, OutputLayer):
                module.register_module(name, PreparedOutput(child, product))
            elif isinstance(child, nn.Linear):
                module.register_module(name, product(child.weight, child.bias))
    return prepared


class PreparedCell(Cell):
    """A cell whose step is one product, of its input and its output before. Sequences are read step by step."""

    def __init__(self, cell: Cell, product: MakeProduct) -> None:
        nn.Module.__init__(self)  # not Cell's: there are no weights of its own
        self.input_size, self.hidden_size, self.state_size = cell.input_size, cell.hidden_size, cell.state_size
        self.recurrent_dropout = 0.0
        self.joint = product(*cell.joint_matrix())
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            cell.register_parameter(name, None)  # nothing reads them any more
        self.cell = cell

    def recurrent_weight(self) -> None:  # type: ignore[override]  # no tensor to give
        """There is none apart, and nothing is dropped."""

    def forward(self, inputs: Tensor, state: CellState | None = None) -> Tensor:
        state = state or self.initial_state(inputs)
        outputs = []
        for values in inputs.unbind(1):
            state = self.step(values, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1)

    def step(self, inputs: Tensor, state: CellState, recurrent_weight: Tensor | None = None) -> CellState:
        return self.cell.advance(self.joint(torch.cat([inputs, state[0]], dim=-1)), state)


class PreparedOutput(nn.Module):
    """An output layer by packed products."""

    def __init__(self, layer: OutputLayer, product: MakeProduct) -> None:
        super().__init__()
        projection = layer.projection
        self.projection = product(projection.weight, None) if isinstance(projection, nn.Linear) else projection
        self.product = product(layer.weight, layer.bias)
        self.register_buffer("bias", layer.bias.detach())

    def forward(self, outputs: Float[Tensor, "... O"]) -> Float[Tensor, "... V"]:
        logits: Tensor = self.product(self.projection(outputs))
        return logits


def _in_encoder(model: TranslationModel, cell: Cell) -> bool:
    return isinstance(cell, LSTM) and any(cell is module for module in model.encoder.modules())


def _fastest(device: torch.device) -> Precision:
    if device.type == "cpu":
        return "int8" if multiplies_int8() else "bf16" if multiplies_bf16() else "32"
    return "bf16" if torch.cuda.is_bf16_supported() else "32"


def _product(precision: Precision) -> MakeProduct:
    """How matrices are multiplied on this CPU."""
    if precision == "int8":
        if not multiplies_int8():
            raise ConfigError("precision 'int8': this torch has no int8 products for this processor; use 32 or auto")
        return Int8Product
    if precision == "fp16":
        if not multiplies_fp16():
            raise ConfigError("precision 'fp16': this torch has no float16 products for this processor; use 32 or auto")
        return Fp16Product
    if precision == "bf16":
        if not multiplies_bf16():
            raise ConfigError("precision 'bf16': this processor does not multiply bfloat16; use 32, int8 or auto")
        return lambda weight, bias: PackedProduct(weight, bias, torch.bfloat16)
    return PackedProduct if packs() else PlainProduct


def _prepare_for_gpu(model: TranslationModel, precision: Precision) -> TranslationModel:
    if precision in ("int8", "fp16"):
        raise ConfigError(
            f"precision '{precision}' is for processors, but the model is on a GPU; use bf16, 32 or auto there"
        )
    if precision == "bf16":
        return copy.deepcopy(model).to(torch.bfloat16).eval()
    tensors = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors}).eval()
