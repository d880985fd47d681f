"""The options by which commands say how a recogniser searches, checked before torch is imported."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nmt.cli.decoding import MOST_THREADS, tell_unfinished
from nmt.cli.lines import require_file
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.inference.recognizer import Recognizer

SEARCH_OPTIONS: Final[dict[str, tuple[type, str]]] = {
    "beam_size": (int, "1 is best path; more is prefix beam search"),
    "top_symbols": (int, "best symbols of a frame that a beam tries; 0 is all"),
    "nbest": (int, "texts of each line that are scored by their exact likelihood"),
    "language_weight": (float, "alpha: log p of the language model times X"),
    "insertion_bonus": (float, "beta: added for every character"),
    "language_model": (str, "ARPA file of characters, instead of the checkpoint's own"),
    "lexicon": (str, "words, one a line: no other word is read"),
}
BEAM_ONLY: Final = ("language_weight", "insertion_bonus", "language_model", "lexicon")


def add_ctc_options(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Options of the search, unset by default: what is not given is what the checkpoint was validated with."""
    group = parser.add_argument_group("search (default: as stored in the checkpoint)")
    metavars = {int: "N", float: "X", str: "FILE"}
    for name, (kind, text) in SEARCH_OPTIONS.items():
        group.add_argument(_flag(name), dest=name, type=kind, metavar=metavars[kind], help=text)
    group.add_argument("--nbest", type=int, help=argparse.SUPPRESS)  # as it was spelt before translate's was agreed on
    return group


def ctc_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """The search options given. Raises ConfigError with one line per problem, DataError where a file is missing."""
    from pydantic import ValidationError

    from nmt.config.problems import wrong_value
    from nmt.config.recognition import CTCSearchConfig

    given = {name: value for name in SEARCH_OPTIONS if (value := getattr(arguments, name, None)) is not None}
    try:
        CTCSearchConfig(**given)
    except ValidationError as error:
        lines = [f"{_flag(problem['loc'][0])}: {wrong_value(dict(problem))}" for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    for name in ("language_model", "lexicon"):
        if name in given:
            require_file(Path(given[name]))
    if arguments.threads is not None and not 1 <= arguments.threads <= MOST_THREADS:
        raise ConfigError(f"--threads {arguments.threads}: must be from 1 to {MOST_THREADS}")
    return given


def load_recognizer(
    arguments: argparse.Namespace, overrides: dict[str, Any], *, batch_columns: int | None = None
) -> "Recognizer":
    """The recogniser of `--checkpoint`; this is what imports torch. Raises ConfigError for options of no effect."""
    from nmt.inference.recognizer import Recognizer

    recognizer = Recognizer.from_checkpoint(
        arguments.checkpoint,
        device=arguments.device,
        threads=arguments.threads,
        search=overrides,
        batch_columns=batch_columns,
    )
    tell_unfinished([arguments.checkpoint])
    idle = [_flag(name) for name in (*BEAM_ONLY, "nbest") if name in overrides]
    if idle and recognizer.search.beam_size == 1:
        raise ConfigError(f"{', '.join(idle)}: of no effect on the best path; add --beam-size 20, or leave it out")
    if overrides.get("language_weight") and not recognizer.has_language_model:
        weight = overrides["language_weight"]
        raise ConfigError(
            f"--language-weight {weight}: the checkpoint holds no language model; give --language-model FILE.arpa"
        )
    return recognizer


def _flag(name: object) -> str:
    """An option of the search as it is typed; `nbest` like that of `translate`, and of Marian and CTranslate2."""
    return "--n-best" if name == "nbest" else f"--{str(name).replace('_', '-')}"
