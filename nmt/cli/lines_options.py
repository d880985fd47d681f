"""The options of `evaluate-lines`; what can be wrong with them and their files is said before torch is imported."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nmt.cli import decoding
from nmt.cli.arguments import Parser, whole_number
from nmt.cli.ctc_options import add_ctc_options
from nmt.cli.line_files import check_keeps_lines
from nmt.cli.output import check_output
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.config.lines import LinesConfig

EXAMPLES: Final = """examples:
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val/lines.tsv
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val --report val.html --json scores.json
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val --beam-size 20 --tune
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val.parquet --image-column scan --text-column said
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val --calibrate calibrated.ckpt
  python scripts/evaluate_lines.py --checkpoint runs/pen --lines pendigits:test:pendigits.csv --output read.tsv

Lines are what a configuration's data.test may be: a table or a folder with one, x.png beside x.gt.txt, ALTO or PAGE,
strokes, hub:OWNER/NAME. CER = (substitutions + deletions + insertions) / characters of the transcripts, over all lines
together; the signature beside it says what was normalised. The interval comes from drawing whole writers anew.

A line that cannot be read counts with all its characters as errors. A line with a character that the model does not
know, or with fewer frames than its text needs, is read as well as can be; it is named with the bad lines.
"""
COLUMNS: Final = {
    "image_column": "of a table or dataset: the image",
    "text_column": "of a table, dataset or strokes: the transcript",
    "writer_column": "of a table, dataset or strokes: who wrote it",
    "subset": "configuration of a hub dataset",
    "split": "of a hub dataset (default: train)",
    "revision": "git revision of a hub dataset",
}
OUTPUTS: Final = ("report", "json", "output", "calibrate")


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("evaluate-lines", description="Score a recogniser on lines with transcripts.", examples=EXAMPLES)
    options.add_argument(
        "--checkpoint", type=Path, required=True, metavar="PATH", help="a run's folder or a checkpoint file"
    )
    options.add_argument(
        "--lines", nargs="+", required=True, metavar="PATH", help="tables, folders, pages or pen strokes, with texts"
    )
    options.add_argument("--report", type=Path, metavar="FILE", help="write one HTML page with the worst lines' images")
    options.add_argument(
        "--worst", type=whole_number(0, 1000), default=30, metavar="N", help="lines drawn in the report (default: 30)"
    )
    options.add_argument("--json", type=Path, metavar="FILE", help="write all numbers as JSON")
    options.add_argument("--output", type=Path, metavar="FILE", help="write what was read, a row a line (TSV)")
    group = options.add_argument_group("columns (default: found by their names, as in training)")
    for name, text in COLUMNS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=text)
    _add_measure(options)
    group = add_ctc_options(options)
    group.add_argument("--tune", action="store_true", help="choose alpha and beta on these lines first, and print them")
    group.add_argument(
        "--calibrate",
        type=Path,
        metavar="FILE.ckpt",
        help="fit confidences to what is right of these lines, and write a checkpoint with them and this search",
    )
    decoding.add_device_options(options)
    return options


def _add_measure(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group("measure (stated in the signature)")
    group.add_argument(
        "--normalization", choices=("nfc", "nfkc", "none"), default="nfc", help="Unicode form (default: nfc)"
    )
    group.add_argument("--ignore-case", action="store_true", help="A and a are one character")
    group.add_argument(
        "--unit",
        choices=("codepoint", "grapheme"),
        default="codepoint",
        help="what a character is: a code point (default), or a letter with all its marks",
    )
    group.add_argument(
        "--resamples", type=whole_number(0, 100_000), default=1000, metavar="N", help="of intervals (default: 1000)"
    )
    group.add_argument(
        "--resampling-seed", type=whole_number(0, 2**32 - 1), default=12345, metavar="N", help="default: 12345"
    )


def checked_sources(arguments: argparse.Namespace) -> "LinesConfig":
    """The sources of lines; every file that is read or written has been looked at."""
    from nmt.data.lines.sources import check_lines_files

    decoding.require_checkpoint(arguments.checkpoint)
    sources = _sources(arguments)
    check_lines_files(sources)
    lines = [Path(source.path) for source in sources.test]
    files = [Path(path) for path in (arguments.language_model, arguments.lexicon) if path is not None]
    inputs = [*decoding.checkpoint_files(arguments.checkpoint), *lines, *files]
    seen: dict[Path, str] = {}
    for name in OUTPUTS:
        path: Path | None = getattr(arguments, name)
        if path is None:
            continue
        check_output(path, inputs=inputs)
        check_keeps_lines(path, sources=lines)
        if path.resolve() in seen:
            raise ConfigError(f"{seen[path.resolve()]} and --{name} name the same file {path}")
        seen[path.resolve()] = f"--{name}"
    return sources


def _sources(arguments: argparse.Namespace) -> "LinesConfig":
    """Each path of `--lines` as a configuration reads it, with the columns that were named."""
    from pydantic import ValidationError

    from nmt.config.lines import LinesConfig

    given: dict[str, Any] = {name: value for name in COLUMNS if (value := getattr(arguments, name)) is not None}
    try:
        sources = LinesConfig.model_validate({"test": arguments.lines})
        named = [{**source.model_dump(exclude_unset=True), **given} for source in sources.test]
        return LinesConfig.model_validate({"test": named})
    except ValidationError as error:
        raise ConfigError(f"--lines: {error.errors()[0]['msg']}") from None
