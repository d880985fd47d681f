"""The options of `evaluate`, and which of them go together."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from nmt.cli import decoding
from nmt.cli.arguments import Parser, whole_number
from nmt.cli.guidance import Wishes, add_wish_options, read_wishes
from nmt.cli.heatmaps import sentence_ranges
from nmt.cli.report import TESTS
from nmt.cli.worst import check_worst_file

METRICS: Final = ("bleu", "chrf", "ter", "comet")
WISHES: Final = tuple(field.name for field in fields(Wishes))
WORST_BY: Final = ("chrf", "bleu")
EXAMPLES: Final = """examples:
  python scripts/evaluate.py --hypotheses output.en --reference test.en
  python scripts/evaluate.py --hypotheses output.en --reference test.en --metrics bleu,ter --lowercase --json
  python scripts/evaluate.py --checkpoint runs/demo --source test.de --reference test.en --beam-size 12 --mbr
  python scripts/evaluate.py --hypotheses base.en new.en --reference test.en --significance bootstrap
  python scripts/evaluate.py --hypotheses seed1.en seed2.en seed3.en --reference test.en --seeds
  python scripts/evaluate.py --checkpoint runs/demo --source test.de --reference test.en --worst 20 \\
      --worst-file worst.html --heatmaps pictures --sentences 1,5,10-12

One sentence a line, UTF-8, plain detokenised text: sacreBLEU tokenises by itself, and the signature says how.
"""


class Wanted(NamedTuple):
    """How checkpoints are to translate."""

    overrides: dict[str, Any]
    wishes: Wishes


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("evaluate", description="Score translations against a reference.", examples=EXAMPLES)
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--hypotheses", type=Path, nargs="+", metavar="FILE", help="translations to score; several are several systems"
    )
    what.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="a run's folder or a checkpoint: translate --source; several are several systems",
    )
    options.add_argument(
        "--source", type=Path, metavar="FILE", help="source text: for --checkpoint, for --metrics comet, beside --worst"
    )
    options.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="the right translations; of several files, the nearest line counts",
    )
    options.add_argument(
        "--output", type=Path, nargs="+", metavar="FILE", help="keep the translations, a file for each --checkpoint"
    )
    _add_score_options(options)
    _add_comparison_options(options)
    _add_sentence_options(options)
    add_wish_options(options)
    decoding.add_search_options(options)
    decoding.add_precision_option(decoding.add_device_options(options))
    return options


def _add_score_options(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group("scores")
    group.add_argument(
        "--metrics",
        type=_metrics,
        default=("bleu", "chrf"),
        metavar="LIST",
        help="of bleu,chrf,ter,comet (default: bleu,chrf); comet needs the command comet-score",
    )
    group.add_argument(
        "--tokenize", default="13a", metavar="NAME", help="13a (default), intl, zh, char, none, ja-mecab, ko-mecab"
    )
    group.add_argument("--lowercase", action="store_true", help="ignore case; default: cased")
    group.add_argument("--comet-model", metavar="NAME", help="default: Unbabel/wmt22-comet-da")
    group.add_argument(
        "--comet-gpus", type=whole_number(0, 1024), metavar="N", help="GPUs for comet-score (default: 0)"
    )
    group.add_argument("--json", action="store_true", help="print one JSON object instead of lines of text")


def _add_comparison_options(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group("comparison (not of comet)")
    group.add_argument(
        "--significance",
        choices=tuple(TESTS),
        help="p-values of the difference of each system from the first",
    )
    group.add_argument("--confidence", action="store_true", help="95 %% confidence intervals, by bootstrap")
    group.add_argument(
        "--seeds", action="store_true", help="the systems are one, trained with several seeds: mean and deviation"
    )
    group.add_argument(
        "--resamples",
        type=whole_number(1, 10_000_000),
        metavar="N",
        help="of the test set (default: 1000; 10000 for randomization)",
    )
    group.add_argument(
        "--resampling-seed", type=whole_number(1, 2**32 - 1), metavar="N", help="default: 12345, as everybody's"
    )


def _add_sentence_options(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group("sentences")
    group.add_argument(
        "--sentence-scores",
        type=Path,
        metavar="FILE",
        help="write BLEU and chrF++ (TER if asked for) of each line: TSV",
    )
    group.add_argument("--worst", type=whole_number(1, 1_000_000), metavar="N", help="show the N worst sentences")
    group.add_argument("--worst-by", choices=WORST_BY, help="default: chrf")
    group.add_argument("--worst-file", type=Path, metavar="FILE", help="write them as well: .tsv or .html")
    group.add_argument("--heatmaps", type=Path, metavar="FOLDER", help="draw the attention of --sentences: PNG and SVG")
    group.add_argument(
        "--sentences", type=sentence_ranges, metavar="LIST", help="line numbers for --heatmaps, such as 1,5,10-12"
    )


def check_options(options: argparse.ArgumentParser, arguments: argparse.Namespace) -> Wanted:
    """Options that do not go together are refused; how to translate comes back."""
    translating = arguments.checkpoint is not None
    if translating and arguments.source is None:
        options.error("--checkpoint and --source belong together")
    if not translating and arguments.output is not None:
        options.error("--output keeps translations of a --checkpoint; --hypotheses are in files already")
    if arguments.output is not None and len(arguments.output) != len(arguments.checkpoint):
        options.error(f"{len(arguments.checkpoint)} --checkpoint need as many --output, not {len(arguments.output)}")
    systems = len(arguments.checkpoint or arguments.hypotheses)
    for name in ("significance", "seeds"):
        if getattr(arguments, name) and systems < 2:
            options.error(f"--{name} compares at least two systems; give more --hypotheses or --checkpoint")
    if arguments.significance and arguments.seeds:
        options.error("--seeds says that the systems are one, --significance compares them; give one of the two")
    if not (arguments.significance or arguments.confidence):
        for name in ("resamples", "resampling_seed"):
            if getattr(arguments, name) is not None:
                options.error(f"--{name.replace('_', '-')} belongs to --significance or --confidence")
    if (arguments.heatmaps is None) != (arguments.sentences is None):
        options.error("--heatmaps and --sentences belong together")
    if arguments.heatmaps is not None and not translating:
        options.error("--heatmaps shows the attention of a --checkpoint; --hypotheses have none")
    if arguments.worst is None and (arguments.worst_by or arguments.worst_file):
        options.error("--worst-by and --worst-file need --worst")
    if arguments.worst_file is not None:
        check_worst_file(arguments.worst_file)
    _check_comet_options(options, arguments)
    overrides, wishes = decoding.search_overrides(arguments), read_wishes(arguments)
    if not translating and (given := [*overrides, *(name for name in WISHES if getattr(arguments, name))]):
        options.error(f"--{given[0].replace('_', '-')} is for translating; it needs --checkpoint")
    wishes.check(sampling=overrides.get("sampling", False), groups=overrides.get("diverse_beam_groups", 1))
    if "ensemble" in overrides:
        options.error("--ensemble: each --checkpoint is evaluated alone; translate with all, and give --hypotheses")
    for path in arguments.checkpoint or ():
        decoding.require_checkpoint(path)
    return Wanted(overrides, wishes)


def _check_comet_options(options: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    if "comet" not in arguments.metrics:
        if arguments.comet_model is not None or arguments.comet_gpus is not None:
            options.error("--comet-model and --comet-gpus need --metrics comet")
    elif arguments.source is None:
        options.error("--metrics comet reads the source as well; give --source")
    elif len(arguments.reference) > 1:
        options.error("--metrics comet takes one --reference")


def _metrics(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in METRICS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(METRICS)}")
    return names
