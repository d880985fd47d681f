"""What a run computes with on this machine: chosen in one place, by measurement, kept in its folder, said at its start.

Number format, kernels of float32 products and number of threads pay on one machine and cost on the next, so what the
configuration leaves open ("auto") is timed for some tenths of a second at the sizes of the model. The choice changes
the last bits of results; therefore it is written to RUN/levers.json, and a run that goes on, on the same kind of
machine, computes as it began. Settings other than "auto" are obeyed. Several processes do not measure, so that all
ranks agree.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from nmt.config.schema import Config
from nmt.errors import ConfigError
from nmt.files import atomic_write
from nmt.models import linear
from nmt.models.cells import LSTM
from nmt.training.environment import cpu_model
from nmt.training.precision import LightningPrecision, computes_bf16, multiplies_bf16, multiplies_tf32

LEVERS_FILE = "levers.json"
SMALLEST_MEASURED = 128  # hidden units; below, nothing that is chosen here matters
WORTH_IT = 1.15  # times faster; less would be noise, or not worth other last bits
WORTH_A_CORE = 1.3  # times faster by the clock with all cores than with one, which leaves the others to others
PRIMITIVES = 64  # compiled kernels that oneDNN keeps: docs/decisions/levers.md has the measurement


class Choice(NamedTuple):
    """One lever's position and the reason, for the log."""

    value: str
    why: str


@dataclass(frozen=True)
class Levers:
    """What is chosen. `machine` is what the choice holds for."""

    machine: dict[str, str]
    precision: Choice  # "bf16-mixed" or "32-true"
    products: Choice  # "torch" or "onednn": float32 products of matrices on a CPU
    threads: Choice  # of one process on a CPU
    tf32: Choice  # "on" or "off": what float32 products are on a GPU

    @property
    def lightning_precision(self) -> LightningPrecision:
        return "bf16-mixed" if self.precision.value == "bf16-mixed" else "32-true"

    def report(self) -> str:
        """What was chosen and why, in a line a lever."""
        shown = {"computing in": self.precision}
        if self.machine["gpu"]:
            shown["TF32"] = self.tf32
        else:
            shown |= {"float32 products by": self.products, "threads": self.threads}
        return "\n".join(f"{name} {choice.value} ({choice.why})" for name, choice in shown.items())


def choose_levers(config: Config, folder: Path, *, on_gpu: bool, writes: bool = True) -> Levers:
    """The levers of a run: those asked for, else those in its folder, else measured; then written there if `writes`.

    Draws no random number from torch's global generator, and changes no setting of the process: `apply` does.
    """
    machine = {
        "cpu": cpu_model(),
        "gpu": torch.cuda.get_device_name() if on_gpu else "",
        "torch": torch.__version__,
    }
    earlier = _earlier(folder / LEVERS_FILE, machine)
    train = config.train
    alone = train.devices * train.num_nodes == 1 and "WORLD_SIZE" not in os.environ
    measured = alone and not on_gpu and config.model.hidden_size >= SMALLEST_MEASURED
    before = torch.get_num_threads(), linear.uses_onednn()
    try:
        threads = _threads(config, earlier, measured=measured)
        torch.set_num_threads(int(threads.value))
        products = _products(config, earlier, measured=measured)
        linear.use_onednn(products.value == "onednn")
        precision = _precision(config, earlier, measured=measured, on_gpu=on_gpu)
    finally:
        torch.set_num_threads(before[0])
        linear.use_onednn(before[1])
    levers = Levers(machine, precision, products, threads, _tf32(config, on_gpu=on_gpu))
    if writes:
        atomic_write(folder / LEVERS_FILE, json.dumps(asdict(levers), indent=2) + "\n")
    return levers


def apply(levers: Levers) -> None:
    """Set this process to what was chosen."""
    torch.set_num_threads(int(levers.threads.value))
    linear.use_onednn(levers.products.value == "onednn")
    if levers.machine["gpu"]:
        torch.set_float32_matmul_precision("high" if levers.tf32.value == "on" else "highest")
        torch.backends.cudnn.allow_tf32 = levers.tf32.value == "on"


def limit_kernels() -> None:
    """Let oneDNN keep fewer of its compiled kernels, before it makes the first; what the user has set stays.

    It keeps one for each shape and operation, a thousand by default; the batches of a corpus have hundreds of shapes.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))


# --- one function a lever -----------------------------------------------------------------------------------------


def _threads(config: Config, earlier: dict[str, Choice], *, measured: bool) -> Choice:
    asked, default = config.train.threads, torch.get_num_threads()
    if asked:
        return Choice(str(asked), "asked for")
    if default == 1 or not measured:
        return Choice(str(default), "torch's default")
    if "threads" in earlier and earlier["threads"].why != "asked for":  # this one may change within a run
        return earlier["threads"]
    work = _layer(config, bf16=False)

    def with_threads(count: int) -> Callable[[], None]:
        def run() -> None:
            torch.set_num_threads(count)
            work()

        return run

    one, many = _seconds([with_threads(1), with_threads(default)])
    torch.set_num_threads(default)
    return Choice(str(default if one / many >= WORTH_A_CORE else 1), f"{default} are {one / many:.2f} × as fast as 1")


def _products(config: Config, earlier: dict[str, Choice], *, measured: bool) -> Choice:
    asked = config.train.products
    if asked == "onednn" and not linear.has_onednn():
        return Choice("torch", "onednn was asked for, but this torch has no such operator")
    if asked != "auto":
        return Choice(asked, "asked for")
    if not measured or not linear.has_onednn():
        return Choice("torch", "torch's default")
    if "products" in earlier:
        return earlier["products"]
    by_torch, by_onednn = _seconds([_multiplications(config, onednn=False), _multiplications(config, onednn=True)])
    ratio = by_torch / by_onednn
    return Choice("onednn" if ratio >= WORTH_IT else "torch", f"oneDNN is {ratio:.2f} × as fast as torch's")


def _precision(config: Config, earlier: dict[str, Choice], *, measured: bool, on_gpu: bool) -> Choice:
    asked = config.train.precision
    if asked == "bf16" and not on_gpu and not computes_bf16():
        raise ConfigError("train.precision 'bf16' asked for, but this CPU computes none; use auto or 32")
    if asked != "auto":
        return Choice("bf16-mixed" if asked == "bf16" else "32-true", "asked for")
    if not multiplies_bf16(on_gpu=on_gpu):
        return Choice("32-true", f"the {'GPU' if on_gpu else 'CPU'} has no bf16 products")
    if not measured:
        return Choice("bf16-mixed", f"the {'GPU' if on_gpu else 'CPU'} multiplies bf16")
    if "precision" in earlier:
        return earlier["precision"]
    exact, rough = _seconds([_layer(config, bf16=False), _layer(config, bf16=True)])
    return Choice(
        "bf16-mixed" if exact / rough >= WORTH_IT else "32-true", f"bf16 is {exact / rough:.2f} × as fast as float32"
    )


def _tf32(config: Config, *, on_gpu: bool) -> Choice:
    if config.train.precision == "32":
        return Choice("off", "exact float32 was asked for")
    return Choice("on", "the GPU multiplies it") if on_gpu and multiplies_tf32() else Choice("off", "no GPU with TF32")


# --- what is timed ------------------------------------------------------------------------------------------------


def _layer(config: Config, *, bf16: bool) -> Callable[[], None]:
    """A recurrent layer and a chunk of the output layer, forward and backward, at the model's sizes."""
    size, vocabulary = config.model.hidden_size, min(config.tokenizer.vocabulary_size, 8000)
    with torch.random.fork_rng(devices=[]):
        cell = LSTM(size, size)
    inputs = _numbers(32, 12, size)
    weight = _numbers(vocabulary, size).requires_grad_()

    def run() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            outputs = cell(inputs).flatten(0, 1)[:256]
            logits = linear.linear(outputs, weight)
        logits.backward(logits.detach())

    return run


def _multiplications(config: Config, *, onednn: bool) -> Callable[[], None]:
    """The products of a chunk of the output layer and of gates, forward and backward, at the model's sizes."""
    size, vocabulary = config.model.hidden_size, min(config.tokenizer.vocabulary_size, 8000)
    inputs = _numbers(256, size).requires_grad_()
    matrices = [_numbers(vocabulary, size).requires_grad_(), _numbers(size, size).requires_grad_()]

    def run() -> None:
        linear.use_onednn(onednn)
        for matrix in matrices:
            outputs = linear.linear(inputs, matrix) if onednn else F.linear(inputs, matrix)
            outputs.backward(outputs.detach())

    return run


def _numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1


def _seconds(candidates: Iterable[Callable[[], None]], *, budget: float = 0.25, least: int = 3) -> list[float]:
    """The best time of each by the clock, in turn, so that a busy neighbour hits all; `budget` seconds in all."""
    candidates = list(candidates)
    best = [float("inf")] * len(candidates)
    for run in candidates:
        run()  # the first call compiles kernels
    begin, rounds = time.perf_counter(), 0
    while rounds < least or time.perf_counter() - begin < budget:
        for i, run in enumerate(candidates):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
        rounds += 1
    return best


def _earlier(file: Path, machine: dict[str, str]) -> dict[str, Choice]:
    """What the first start chose, if on the same kind of machine; nothing where the file is missing or odd."""
    try:
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if known["machine"] != machine:
            return {}
        return {name: Choice(*known[name]) for name in ("precision", "products", "threads")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
