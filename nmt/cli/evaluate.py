"""`evaluate`: BLEU, chrF++ and TER of a translated file, or of a checkpoint on a source file, with signatures."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt.cli import decoding
from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.cli.lines import one_line, read_lines
from nmt.cli.translate import check_output
from nmt.errors import DataError
from nmt.files import atomic_write

if TYPE_CHECKING:
    from nmt.metrics.bleu import Scores

METRICS: Final = ("bleu", "chrf", "ter")
EXAMPLES: Final = """examples:
  python scripts/evaluate.py --hypotheses output.en --reference test.en
  python scripts/evaluate.py --hypotheses output.en --reference test.en --metrics bleu,ter --lowercase --json
  python scripts/evaluate.py --checkpoint runs/demo --source test.de --reference test.en --beam-size 5

One sentence a line, UTF-8, plain detokenised text: sacreBLEU tokenises by itself, and the signature says how.
"""


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("evaluate", description="Score translations against a reference.", examples=EXAMPLES)
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--hypotheses", type=Path, metavar="FILE", help="translations to score")
    what.add_argument(
        "--checkpoint", type=Path, metavar="PATH", help="a run's folder or a checkpoint: translate --source"
    )
    options.add_argument("--source", type=Path, metavar="FILE", help="source text, with --checkpoint")
    options.add_argument("--reference", type=Path, required=True, metavar="FILE", help="the right translations")
    options.add_argument("--output", type=Path, metavar="FILE", help="keep the translations, with --checkpoint")
    score = options.add_argument_group("scores")
    score.add_argument("--metrics", type=_metrics, default=("bleu", "chrf"), metavar="LIST", help="default: bleu,chrf")
    score.add_argument(
        "--tokenize", default="13a", metavar="NAME", help="13a (default), intl, zh, char, none, ja-mecab, ko-mecab"
    )
    score.add_argument("--lowercase", action="store_true", help="ignore case; default: cased")
    score.add_argument("--json", action="store_true", help="print one JSON object instead of lines of text")
    score.add_argument("--sentence-scores", type=Path, metavar="FILE", help="write BLEU and chrF++ of each line as TSV")
    decoding.add_search_options(options)
    decoding.add_device_options(options)
    return options


def run(argv: list[str]) -> int:
    """Score; everything that can be wrong with arguments and files is said before anything is translated."""
    options = parser()
    arguments = options.parse_args(argv)
    if (arguments.checkpoint is None) != (arguments.source is None):
        options.error("--checkpoint and --source belong together")
    if arguments.checkpoint is None and arguments.output is not None:
        options.error("--output keeps translations of a --checkpoint; --hypotheses are in a file already")
    overrides = decoding.search_overrides(arguments)
    if arguments.checkpoint is None and overrides:
        options.error(f"--{next(iter(overrides)).replace('_', '-')} is for translating; it needs --checkpoint")
    if arguments.checkpoint is not None:
        decoding.require_checkpoint(arguments.checkpoint)
    references = read_lines(arguments.reference)
    candidates_path = arguments.hypotheses or arguments.source
    candidates = read_lines(candidates_path)
    _check_counts(candidates_path, candidates, arguments.reference, references)
    inputs = [arguments.reference, candidates_path]
    if arguments.checkpoint is not None:
        inputs += decoding.checkpoint_files(arguments.checkpoint)
    outputs = [path for path in (arguments.output, arguments.sentence_scores) if path is not None]
    if len({path.resolve() for path in outputs}) < len(outputs):
        options.error("--output and --sentence-scores name the same file")
    for path in outputs:
        check_output(path, inputs=inputs)

    from nmt.metrics.bleu import check_tokenizer, corpus_scores

    check_tokenizer(arguments.tokenize)
    hypotheses = candidates if arguments.checkpoint is None else _translate(arguments, candidates, overrides)
    scores = corpus_scores(
        hypotheses,
        references,
        tokenize=arguments.tokenize,
        lowercase=arguments.lowercase,
        ter="ter" in arguments.metrics,
    )
    if arguments.sentence_scores is not None:
        _write_sentence_scores(arguments, hypotheses, references)
    _warn_if_tokenized(hypotheses, arguments.tokenize)
    print(_report(scores, arguments))
    return 0


def _metrics(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in METRICS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(METRICS)}")
    return names


def _check_counts(candidates_path: Path, candidates: list[str], reference_path: Path, references: list[str]) -> None:
    for path, lines in ((candidates_path, candidates), (reference_path, references)):
        if not lines:
            raise DataError(f"{path}: is empty; there is nothing to score")
    if len(candidates) != len(references):
        raise DataError(
            f"{candidates_path} has {len(candidates)} lines but {reference_path} has {len(references)};"
            " line n of the one must belong to line n of the other"
        )


def _translate(arguments: argparse.Namespace, sources: list[str], overrides: dict[str, object]) -> list[str]:
    translator = decoding.load_translator(arguments.checkpoint, device=arguments.device, threads=arguments.threads)
    search = decoding.with_overrides(translator.search, overrides)
    hypotheses = [one_line(translation.text) for translation in translator.translate_stream(sources, search=search)]
    if arguments.output is not None:
        atomic_write(arguments.output, "".join(f"{line}\n" for line in hypotheses))
    return hypotheses


def _write_sentence_scores(arguments: argparse.Namespace, hypotheses: list[str], references: list[str]) -> None:
    from nmt.metrics.bleu import sentence_scores

    scores = sentence_scores(hypotheses, references, tokenize=arguments.tokenize, lowercase=arguments.lowercase)
    rows = [f"{number}\t{score.bleu:.2f}\t{score.chrf:.2f}\n" for number, score in enumerate(scores, start=1)]
    atomic_write(arguments.sentence_scores, "line\tbleu\tchrf\n" + "".join(rows))


def _warn_if_tokenized(hypotheses: list[str], tokenize: str) -> None:
    tokenized = sum(line.endswith(" .") for line in hypotheses)
    if tokenize != "none" and 2 * tokenized > len(hypotheses):
        print(
            f"evaluate: {tokenized} of {len(hypotheses)} hypotheses end in ' .', as tokenised text does; detokenise"
            " both files, or the score compares with nobody's",
            file=sys.stderr,
        )


def _report(scores: "Scores", arguments: argparse.Namespace) -> str:
    if arguments.json:
        return json.dumps(scores.as_dict(arguments.metrics))
    return f"{scores.as_text(arguments.metrics)}\n{scores.sentences} sentences"


main = guarded(run)
