"""The options by which commands find a checkpoint and say how to search, and the translator they lead to."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nmt.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from nmt.config.search import SearchConfig
    from nmt.inference.translator import Translator

MOST_THREADS: Final = 1024
SEARCH_OPTIONS: Final[dict[str, tuple[type, str]]] = {
    "beam_size": (int, "hypotheses kept per sentence; 1 with both penalties 0 is greedy"),
    "length_penalty": (float, "alpha of lp(Y) = ((5 + |Y|) / 6)^alpha; bigger prefers longer translations"),
    "coverage_penalty": (float, "beta; bigger punishes source words nobody looked at"),
    "min_length": (int, "target tokens, at least"),
    "max_length": (int, "target tokens, at most"),
    "max_length_ratio": (float, "target tokens per source token, at most"),
    "max_length_offset": (int, "tokens added to the ratio's limit"),
    "batch_sentences": (int, "sentences translated at a time"),
}


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Options of the search, unset by default: what is not given is what the checkpoint was validated with."""
    group = parser.add_argument_group("search (default: as stored in the checkpoint)")
    for name, (kind, text) in SEARCH_OPTIONS.items():
        metavar = "N" if kind is int else "X"
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=text)


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Where to compute and with how many threads."""
    group = parser.add_argument_group("device")
    group.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda or cuda:1")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: torch's own choice)")


def search_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """The search options given, checked before torch is imported. Raises ConfigError with one line per problem."""
    given = {name: value for name in SEARCH_OPTIONS if (value := getattr(arguments, name)) is not None}
    _validated(given)
    if arguments.threads is not None and not 1 <= arguments.threads <= MOST_THREADS:
        raise ConfigError(f"--threads {arguments.threads}: must be from 1 to {MOST_THREADS}")
    return given


def with_overrides(search: "SearchConfig", overrides: dict[str, Any]) -> "SearchConfig":
    """The checkpoint's search with the options given laid over it."""
    return _validated(search.model_dump() | overrides)


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


def load_translator(path: Path, *, device: str, threads: int | None) -> "Translator":
    """The translator of a checkpoint file or run folder; this is what imports torch."""
    from nmt.inference.translator import Translator

    return Translator.from_checkpoint(path, device=device, threads=threads)
