"""The options by which commands find a checkpoint and say how to search, and the translator they lead to."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nmt.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from nmt.config.search import SearchConfig
    from nmt.inference.quantize import Precision
    from nmt.inference.translator import Translator

MOST_THREADS: Final = 1024
SEARCH_OPTIONS: Final[dict[str, tuple[type | tuple[str, ...], str]]] = {
    "beam_size": (int, "hypotheses kept per sentence; 1 with both penalties 0 is greedy"),
    "length_penalty": (float, "alpha of lp(Y) = ((5 + |Y|) / 6)^alpha; bigger prefers longer translations"),
    "coverage_penalty": (float, "beta; bigger punishes source words nobody looked at"),
    "min_length": (int, "target tokens, at least"),
    "min_length_ratio": (float, "target tokens per source token, at least"),
    "max_length": (int, "target tokens, at most"),
    "max_length_ratio": (float, "target tokens per source token, at most"),
    "max_length_offset": (int, "tokens added to the ratio's limit"),
    "no_repeat_ngram": (int, "no n-gram of so many tokens twice in a translation; 0 allows all"),
    "repetition_penalty": (float, "log p of a token that was said already becomes X log p; 1 is off"),
    "ensemble": (
        ("log_linear", "linear"),
        "how several checkpoints vote: mean of log-probabilities or of probabilities",
    ),
    "sampling": (bool, "draw translations at random instead of searching"),
    "temperature": (float, "of sampling: below 1 is surer, above 1 more various"),
    "top_k": (int, "of sampling: draw from the N most probable tokens only; 0 is all"),
    "top_p": (float, "of sampling: draw from the fewest tokens of so much probability"),
    "seed": (int, "of sampling: the same seed draws the same for the same line of the same number"),
    "batch_sentences": (int, "sentences translated at a time, at most"),
    "batch_tokens": (int, "padded source tokens translated at a time; one longer sentence goes alone"),
    "split_tokens": (int, "source lines of more tokens are split into sentences, and rejoined"),
}
SAMPLING_ONLY: Final = ("temperature", "top_k", "top_p", "seed")


def add_search_options(parser: argparse.ArgumentParser, names: Iterable[str] = SEARCH_OPTIONS) -> None:
    """Options of the search, unset by default: what is not given is what the checkpoint was validated with."""
    group = parser.add_argument_group("search (default: as stored in the checkpoint)")
    for name in names:
        kind, text = SEARCH_OPTIONS[name]
        flag = f"--{name.replace('_', '-')}"
        if isinstance(kind, tuple):
            group.add_argument(flag, choices=kind, help=text)
        elif kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            group.add_argument(flag, type=kind, metavar="N" if kind is int else "X", help=text)


def add_device_options(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Where to compute and with how many threads; the group, to which a command may add its own."""
    group = parser.add_argument_group("device")
    group.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda or cuda:1")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: torch's own choice)")
    return group


def add_precision_option(group: "argparse._ArgumentGroup") -> None:
    """In which numbers a model that translates multiplies."""
    group.add_argument(
        "--precision", choices=("auto", "32", "bf16", "int8"), default="32", help="of the weights (default: 32)"
    )


def search_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """The search options given, checked before torch is imported. Raises ConfigError with one line per problem."""
    given = {name: value for name in SEARCH_OPTIONS if (value := getattr(arguments, name, None)) is not None}
    _validated(given)
    if arguments.threads is not None and not 1 <= arguments.threads <= MOST_THREADS:
        raise ConfigError(f"--threads {arguments.threads}: must be from 1 to {MOST_THREADS}")
    return given


def with_overrides(search: "SearchConfig", overrides: dict[str, Any]) -> "SearchConfig":
    """The checkpoint's search with the options given laid over it. Raises ConfigError for one that would do nothing."""
    result = _validated(search.model_dump() | overrides)
    idle = [f"--{name.replace('_', '-')}" for name in SAMPLING_ONLY if name in overrides]
    if idle and not result.sampling:
        raise ConfigError(f"{', '.join(idle)}: of no effect without --sampling; add it, or leave them out")
    return result


def _validated(values: dict[str, Any]) -> "SearchConfig":
    from pydantic import ValidationError

    from nmt.config.search import SearchConfig

    try:
        return SearchConfig(**values)
    except ValidationError as error:
        problems = [
            f"--{str(problem['loc'][0]).replace('_', '-')} {problem['input']}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigError("\n".join(problems)) from None


def require_checkpoint(path: Path) -> None:
    """Raise CheckpointError, before torch is imported, where there is nothing at `path`."""
    if not path.exists():
        raise CheckpointError(f"{path}: no such run folder or checkpoint file")


def checkpoint_files(path: Path) -> list[Path]:
    """The file that `path` means, which no output may overwrite."""
    names = ("", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "best.ckpt", "last.ckpt")
    return [path / name for name in names if (path / name).is_file()]


def load_translator(
    paths: Path | Sequence[Path], *, device: str, threads: int | None, precision: "Precision" = "32"
) -> "Translator":
    """The translator of a checkpoint file or run folder, or of several; this is what imports torch."""
    from nmt.inference.translator import Translator

    return Translator.from_checkpoint(paths, device=device, threads=threads, precision=precision)
