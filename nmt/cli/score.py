"""`score`: what a model says of given translations, log-probability and perplexity, as many lines out as pairs in."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt.cli import decoding
from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.cli.lines import decode_lines, require_file, unpacked
from nmt.cli.output import check_stream_output, destination
from nmt.cli.sources import in_step
from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.inference.scoring import PairScore

EXAMPLES: Final = """examples:
  python scripts/score.py --checkpoint runs/demo --source test.de --target test.en
  python scripts/score.py --checkpoint runs/demo --source a.de --target a.en --output scores.jsonl --format jsonl
  python scripts/score.py --checkpoint runs/a runs/b --source a.de --target a.en --length-penalty 1

One sentence a line, UTF-8. Line n of the output is about line n of both files:

  tsv    log-probability, perplexity, tokens, score
  jsonl  the pair, all of these, and the log-probability of every token

Logarithms are natural; </s> is a token; the score is what a search would rank by (length and coverage penalty). An
empty line is scored as the sentence that ends at once, and no line is split. The corpus perplexity comes last, on
standard output, or on standard error where the scores go there.
"""
OPTIONS: Final = ("length_penalty", "coverage_penalty", "ensemble", "batch_sentences", "batch_tokens")


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("score", description="Score given translations with a model.", examples=EXAMPLES)
    options.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="a run's folder or a checkpoint; several vote on every token",
    )
    options.add_argument("--source", type=Path, required=True, metavar="FILE", help="source text")
    options.add_argument("--target", type=Path, required=True, metavar="FILE", help="its translation, to be scored")
    options.add_argument("--output", default="-", metavar="FILE", help="scores (default: -, standard output)")
    options.add_argument("--format", choices=tuple(FORMATS), default="tsv", help="default: tsv")
    decoding.add_search_options(options, OPTIONS)
    decoding.add_device_options(options)
    return options


def run(argv: list[str]) -> int:
    """Score; everything that can be wrong with arguments and files is said before torch is imported."""
    arguments = parser().parse_args(argv)
    overrides = decoding.search_overrides(arguments)
    inputs = [arguments.source, arguments.target]
    for path in arguments.checkpoint:
        decoding.require_checkpoint(path)
    for path in inputs:
        require_file(path)
    files = [file for path in arguments.checkpoint for file in decoding.checkpoint_files(path)]
    check_stream_output(arguments.output, inputs=[*inputs, *files])
    _check_counts(arguments)

    translator = decoding.load_translator(arguments.checkpoint, device=arguments.device, threads=arguments.threads)
    decoding.tell_unfinished(arguments.checkpoint)
    search = decoding.with_overrides(translator.search, overrides)
    from nmt.inference.scoring import Pair, perplexity, score_pairs

    total, tokens, count = 0.0, 0, 0
    with ExitStack() as stack:
        pairs = (Pair(*lines) for lines in _read_pairs(stack, arguments))
        write = stack.enter_context(destination(arguments.output))
        for score in score_pairs(translator.models, translator.tokenizers, pairs, search=search):
            write(FORMATS[arguments.format](score))
            total, tokens, count = total + score.log_probability, tokens + len(score.pieces), count + 1
    said = f"{count:,} pairs, {tokens:,} target tokens: log-probability {total:.4f}"
    said += f", perplexity {perplexity(total, tokens):.4f}" if tokens else ""
    print(said, file=sys.stderr if arguments.output == "-" else sys.stdout)
    return 0


def _check_counts(arguments: argparse.Namespace) -> None:
    """Raise DataError where the files are not equally long; what cannot be read twice is compared as it is read."""
    paths = (arguments.source, arguments.target)
    if not all(path.is_file() for path in paths):
        return
    counts = []
    for path in paths:
        with path.open("rb") as stream:
            counts.append(sum(1 for _ in stream))
    if counts[0] != counts[1]:
        raise DataError(
            f"{paths[0]} has {counts[0]} lines but {paths[1]} has {counts[1]}; line n of the one must belong to line n"
            " of the other"
        )


def _read_pairs(stack: ExitStack, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Lines of both files, which stay open until the stack ends."""
    paths = (arguments.source, arguments.target)
    sides = [decode_lines(unpacked(stack.enter_context(path.open("rb"))), name=str(path)) for path in paths]
    return in_step(*sides, names=(str(paths[0]), str(paths[1])))


def _tsv(score: "PairScore") -> str:
    numbers = (score.log_probability, score.perplexity, score.score)
    log_probability, perplexity, ranked = (f"{number:.4f}" for number in numbers)
    return f"{log_probability}\t{perplexity}\t{len(score.pieces)}\t{ranked}"


def _jsonl(score: "PairScore") -> str:
    assert score.pair is not None
    value = {
        **score.pair._asdict(),
        "log_probability": score.log_probability,
        "perplexity": score.perplexity if math.isfinite(score.perplexity) else None,  # JSON has no infinity
        "score": score.score,
        "tokens": score.pieces,
        "token_log_probabilities": score.token_log_probabilities,
    }
    return json.dumps(value, ensure_ascii=False)


FORMATS: Final[dict[str, Callable[["PairScore"], str]]] = {"tsv": _tsv, "jsonl": _jsonl}

main = guarded(run)
