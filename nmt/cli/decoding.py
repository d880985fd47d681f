"""The options by which commands find a checkpoint and say how to search, and the translator they lead to."""

import argparse
import sys
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
    "diverse_beam_groups": (
        int,
        "parts of the beam that choose other words than each other, as in 3 of --beam-size 12",
    ),
    "diverse_beam_strength": (
        float,
        "of these: what a word costs for each hypothesis of an earlier group that says it",
    ),
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
    "seed": (int, "of sampling: with one seed, equal lines are drawn alike in any file and order; another changes all"),
    "batch_sentences": (int, "sentences translated at a time, at most"),
    "batch_tokens": (int, "padded source tokens translated at a time; one longer sentence goes alone"),
    "split_tokens": (int, "source lines of more tokens are split into sentences, and rejoined"),
}
SAMPLING_ONLY: Final = ("temperature", "top_k", "top_p", "seed")
DIVERSE_ONLY: Final = ("diverse_beam_groups", "diverse_beam_strength")


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
        "--precision",
        choices=("auto", "32", "fp16", "bf16", "int8"),
        default="32",
        help="of the weights (default: 32); on a CPU fp16 is quick for single lines with a beam, int8 for files",
    )


def search_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """The search options given, checked before torch is imported. Raises ConfigError with one line per problem."""
    given = {name: value for name in SEARCH_OPTIONS if (value := getattr(arguments, name, None)) is not None}
    # What is not given is in the checkpoint: until that is read, groups are taken to fit its beam.
    _validated({"beam_size": max(1, given.get("diverse_beam_groups", 1))} | given)
    _check_groups(given, sampling=given.get("sampling", False), groups=given.get("diverse_beam_groups"))
    if arguments.threads is not None and not 1 <= arguments.threads <= MOST_THREADS:
        raise ConfigError(f"--threads {arguments.threads}: must be from 1 to {MOST_THREADS}")
    return given


def with_overrides(search: "SearchConfig", overrides: dict[str, Any]) -> "SearchConfig":
    """The checkpoint's search with the options given laid over it. Raises ConfigError for one that would do nothing."""
    result = _validated(search.model_dump() | overrides)
    idle = [f"--{name.replace('_', '-')}" for name in SAMPLING_ONLY if name in overrides]
    if idle and not result.sampling:
        them = "them" if len(idle) > 1 else "it"
        raise ConfigError(f"{', '.join(idle)}: of no effect without --sampling; add that, or leave {them} out")
    _check_groups(overrides, sampling=result.sampling, groups=result.diverse_beam_groups)
    return result


def _check_groups(given: dict[str, Any], *, sampling: bool, groups: int | None) -> None:
    """Raise ConfigError for an option of diverse beams that would do nothing; `groups` is None where nobody knows."""
    names = [f"--{name.replace('_', '-')}" for name in DIVERSE_ONLY if name in given]
    if names and sampling:
        raise ConfigError(f"{', '.join(names)}: of no effect with --sampling, which has no beam; leave out one of them")
    if "diverse_beam_strength" in given and groups == 1:
        raise ConfigError("--diverse-beam-strength: of no effect without --diverse-beam-groups above 1; add it")


def _validated(values: dict[str, Any]) -> "SearchConfig":
    from pydantic import ValidationError

    from nmt.config.search import SearchConfig

    try:
        return SearchConfig(**values)
    except ValidationError as error:
        raise ConfigError("\n".join(_complaint(dict(problem)) for problem in error.errors())) from None


def _complaint(problem: dict[str, Any]) -> str:
    """One problem; of options that do not go together, in the words of the schema."""
    from nmt.config.problems import wrong_value

    flags = "".join(f"--{str(name).replace('_', '-')}: " for name in problem["loc"][:1])
    return f"{flags}{wrong_value(problem)}"


def require_checkpoint(path: Path) -> None:
    """Raise CheckpointError, before torch is imported, where there is nothing at `path`."""
    if not path.exists():
        raise CheckpointError(f"{path}: no such run folder or checkpoint file")


def checkpoint_files(path: Path) -> list[Path]:
    """The file that `path` means, which no output may overwrite."""
    names = ("", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "best.ckpt", "last.ckpt")
    return [path / name for name in names if (path / name).is_file()]


def tell_unfinished(paths: Iterable[Path]) -> None:
    """Name the runs, loaded before, whose last checkpoint is used for want of a best one: nonsense may come of it."""
    from nmt.checkpoint import told_unfinished

    for path in dict.fromkeys(paths):
        if said := told_unfinished(path):
            print(said, file=sys.stderr)


def load_translator(
    paths: Path | Sequence[Path], *, device: str, threads: int | None, precision: "Precision" = "32"
) -> "Translator":
    """The translator of a checkpoint file or run folder, or of several; this is what imports torch."""
    from nmt.inference.translator import Translator

    return Translator.from_checkpoint(paths, device=device, threads=threads, precision=precision)
