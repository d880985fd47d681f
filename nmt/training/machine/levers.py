"""What a run computes with on this machine: chosen in one place, by measurement, kept in its folder, said at its start.

Number format, kernels of float32 products and number of threads pay on one machine and cost on the next, so what the
configuration leaves open ("auto") is timed for some tenths of a second at the sizes of the model. The choice changes
the last bits of results; therefore it is written to RUN/levers.json, and a run that goes on, on the same kind of
machine, computes as it began; and the times are remembered (timings.py), so that fresh runs of one seed choose alike.
Settings other than "auto" are obeyed. Several processes do not measure, so that all ranks agree.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nmt.config.schema import RunConfig
from nmt.data.cache import Cache
from nmt.errors import ConfigError
from nmt.files import atomic_write
from nmt.models import linear
from nmt.training.machine import timings
from nmt.training.machine.environment import cpu_model
from nmt.training.machine.precision import LightningPrecision, computes_bf16, multiplies_bf16, multiplies_tf32
from nmt.training.machine.timings import Work

LEVERS_FILE = "levers.json"
SMALLEST_MEASURED = 128  # hidden units; below, nothing that is chosen here matters
MOST_OUTPUTS = 8000  # of the product that is timed; more would be the same for longer
WORTH_IT = 1.15  # times faster; less would be noise, or not worth other last bits
WORTH_A_CORE = 1.3  # times faster by the clock with all cores than with one, which leaves the others to others
PRIMITIVES = 64  # compiled kernels that oneDNN keeps: docs/decisions/levers.md has the measurement

# (what, candidates) → the seconds of each
Compare = Callable[[str, Callable[[], list[Work]]], list[float]]


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


def choose_levers(config: RunConfig, folder: Path, *, on_gpu: bool, writes: bool = True) -> Levers:
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
    compare = _compare(config, machine) if measured else None
    before = torch.get_num_threads(), linear.uses_onednn()
    linear.use_onednn(False)  # what an earlier run in this process was set to has no say
    try:
        threads = _threads(config, earlier, compare)
        torch.set_num_threads(int(threads.value))
        products = _products(config, earlier, compare)
        linear.use_onednn(products.value == "onednn")
        precision = _precision(config, earlier, compare, on_gpu=on_gpu)
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


def _threads(config: RunConfig, earlier: dict[str, Choice], compare: Compare | None) -> Choice:
    asked, default = config.train.threads, torch.get_num_threads()
    if asked:
        return Choice(str(asked), "asked for")
    if default == 1 or compare is None:
        return Choice(str(default), "torch's default")
    if "threads" in earlier and earlier["threads"].why != "asked for":  # this one may change within a run
        return earlier["threads"]

    def candidates() -> list[Work]:
        work = timings.layer(*_sizes(config), bf16=False)
        return [timings.with_threads(count, work) for count in (1, default)]

    one, many = compare("threads", candidates)
    torch.set_num_threads(default)
    return Choice(str(default if one / many >= WORTH_A_CORE else 1), f"{default} are {one / many:.2f} × as fast as 1")


def _products(config: RunConfig, earlier: dict[str, Choice], compare: Compare | None) -> Choice:
    asked = config.train.products
    if asked == "onednn" and not linear.has_onednn():
        return Choice("torch", "onednn was asked for, but this torch has no such operator")
    if asked != "auto":
        return Choice(asked, "asked for")
    if compare is None or not linear.has_onednn():
        return Choice("torch", "torch's default")
    if "products" in earlier:
        return earlier["products"]

    def candidates() -> list[Work]:
        return [timings.multiplications(*_sizes(config), onednn=onednn) for onednn in (False, True)]

    by_torch, by_onednn = compare("products", candidates)
    ratio = by_torch / by_onednn
    return Choice("onednn" if ratio >= WORTH_IT else "torch", f"oneDNN is {ratio:.2f} × as fast as torch's")


def _precision(config: RunConfig, earlier: dict[str, Choice], compare: Compare | None, *, on_gpu: bool) -> Choice:
    asked = config.train.precision
    if asked == "bf16" and not on_gpu and not computes_bf16():
        raise ConfigError("train.precision 'bf16' asked for, but this CPU computes none; use auto or 32")
    if asked != "auto":
        return Choice("bf16-mixed" if asked == "bf16" else "32-true", "asked for")
    if not multiplies_bf16(on_gpu=on_gpu):
        return Choice("32-true", f"the {'GPU' if on_gpu else 'CPU'} has no bf16 products")
    if compare is None:
        return Choice("bf16-mixed", f"the {'GPU' if on_gpu else 'CPU'} multiplies bf16")
    if "precision" in earlier:
        return earlier["precision"]

    def candidates() -> list[Work]:
        return [timings.layer(*_sizes(config), bf16=bf16) for bf16 in (False, True)]

    exact, rough = compare("precision", candidates)
    return Choice(
        "bf16-mixed" if exact / rough >= WORTH_IT else "32-true", f"bf16 is {exact / rough:.2f} × as fast as float32"
    )


def _tf32(config: RunConfig, *, on_gpu: bool) -> Choice:
    if config.train.precision == "32":
        return Choice("off", "exact float32 was asked for")
    return Choice("on", "the GPU multiplies it") if on_gpu and multiplies_tf32() else Choice("off", "no GPU with TF32")


def _compare(config: RunConfig, machine: dict[str, str]) -> Compare:
    """Times candidates as the process is set now, or remembers how it did."""
    cache = Cache(config.cache)
    hidden_size, vocabulary = _sizes(config)

    def compare(what: str, candidates: Callable[[], list[Work]]) -> list[float]:
        question = {
            **{"what": what, "cpu": machine["cpu"], "hidden_size": hidden_size, "vocabulary": vocabulary},
            **{"threads": torch.get_num_threads(), "onednn": linear.uses_onednn()},
        }
        return timings.remembered(cache, question, lambda: timings.seconds(candidates()))

    return compare


def _sizes(config: RunConfig) -> tuple[int, int]:
    """(hidden units, outputs) of what is timed."""
    return config.model.hidden_size, min(config.outputs, MOST_OUTPUTS)


def _earlier(file: Path, machine: dict[str, str]) -> dict[str, Choice]:
    """What the first start chose, if on the same kind of machine; nothing where the file is missing or odd."""
    try:
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if known["machine"] != machine:
            return {}
        return {name: Choice(*known[name]) for name in ("precision", "products", "threads")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
