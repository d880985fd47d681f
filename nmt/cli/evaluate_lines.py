"""`evaluate-lines`: CER and WER of a recogniser on lines with transcripts, with intervals; where and how it errs."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt import __version__
from nmt.cli import decoding
from nmt.cli.arguments import Parser, whole_number
from nmt.cli.ctc_options import add_ctc_options, ctc_overrides, load_recognizer
from nmt.cli.guard import guarded
from nmt.cli.line_files import check_keeps_lines
from nmt.cli.output import check_output
from nmt.errors import ConfigError, DataError
from nmt.files import atomic_write

if TYPE_CHECKING:
    from nmt.cli.lines_findings import Findings, ReadLine
    from nmt.config.lines import LinesConfig
    from nmt.config.recognition import CTCSearchConfig
    from nmt.data.lines.line import Line
    from nmt.inference.line_input import LineInput
    from nmt.inference.recognition import Recognition
    from nmt.inference.recognizer import Recognizer
    from nmt.metrics.calibration import Calibration
    from nmt.metrics.error_rate import Measure

EXAMPLES: Final = """examples:
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val/lines.tsv
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val --report val.html --json scores.json
  python scripts/evaluate_lines.py --checkpoint runs/lines --lines val --beam-size 20 --tune
  python scripts/evaluate_lines.py --checkpoint runs/pen --lines pendigits:test:pendigits.csv --output read.tsv

Lines are what a configuration's data.test may be: a table or a folder with one, x.png beside x.gt.txt, ALTO or PAGE,
strokes, hub:OWNER/NAME. CER = (substitutions + deletions + insertions) / characters of the transcripts, over all lines
together; the signature beside it says what was normalised. The interval comes from drawing whole writers anew.

A line that cannot be read counts with all its characters as errors. A line with a character that the model does not
know, or with fewer frames than its text needs, is read as well as can be; it is named with the bad lines.
"""
WINDOW: Final = 256  # lines prepared and recognised before the next are


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
    group = add_ctc_options(options)
    group.add_argument("--tune", action="store_true", help="choose alpha and beta on these lines first, and print them")
    decoding.add_device_options(options)
    return options


def run(argv: list[str]) -> int:
    """Score; everything that can be wrong with arguments and files is said before torch is imported."""
    arguments = parser().parse_args(argv)
    overrides = ctc_overrides(arguments)
    sources = _checked(arguments)
    recognizer = load_recognizer(arguments, overrides)
    from nmt.cli.lines_findings import told, told_bad
    from nmt.metrics.error_rate import Measure

    lines = _listed(sources)
    measure = Measure(arguments.normalization, lowercase=arguments.ignore_case, unit=arguments.unit)
    search = _tuned(recognizer, lines, measure) if arguments.tune else recognizer.search
    read = list(_read_lines(recognizer, lines, search))
    found = _findings(arguments, read, search, measure)
    _write(arguments, found)
    print(told(found))
    for problem in told_bad(found):
        print(f"evaluate-lines: {problem}", file=sys.stderr)
    unread = sum(line.hypothesis is None for line in read)
    untold = sum(not line.reference.strip() for line in read)
    if untold:
        print(f"evaluate-lines: {untold:,} of {len(read):,} lines have no transcript to err in", file=sys.stderr)
    return 1 if unread or untold else 0


# --- what can be said before work begins


def _checked(arguments: argparse.Namespace) -> "LinesConfig":
    """The sources of lines; every file that is read or written has been looked at."""
    from pydantic import ValidationError

    from nmt.config.lines import LinesConfig
    from nmt.data.lines.sources import check_lines_files

    decoding.require_checkpoint(arguments.checkpoint)
    try:
        sources = LinesConfig.model_validate({"test": arguments.lines})
    except ValidationError as error:
        raise ConfigError(f"--lines: {error.errors()[0]['msg']}") from None
    check_lines_files(sources)
    lines = [Path(source.path) for source in sources.test]
    files = [Path(path) for path in (arguments.language_model, arguments.lexicon) if path is not None]
    inputs = [*decoding.checkpoint_files(arguments.checkpoint), *lines, *files]
    seen: dict[Path, str] = {}
    for option in ("--report", "--json", "--output"):
        path: Path | None = getattr(arguments, option.removeprefix("--"))
        if path is None:
            continue
        check_output(path, inputs=inputs)
        check_keeps_lines(path, sources=lines)
        if path.resolve() in seen:
            raise ConfigError(f"{seen[path.resolve()]} and {option} name the same file {path}")
        seen[path.resolve()] = option
    return sources


def _listed(sources: "LinesConfig") -> "list[Line]":
    from nmt.data.lines.sources import read_lines

    lines = [line for source in sources.test for line in read_lines(source)]
    if not lines:
        raise DataError(
            f"{', '.join(source.path for source in sources.test)}: holds no line; there is nothing to score"
        )
    if not any((line.text or "").strip() for line in lines):
        raise DataError(
            f"{', '.join(source.path for source in sources.test)}: none of {len(lines):,} lines has a transcript; there"
            " is nothing to score (`recognize` reads lines without)"
        )
    return lines


# --- the work


def _tuned(recognizer: "Recognizer", lines: "list[Line]", measure: "Measure") -> "CTCSearchConfig":
    """The search with the α and β that read these lines best; told on the standard error output."""
    from nmt.inference.line_tuning import tune_search

    inputs = [(_input(recognizer, line), line.text or "") for line in lines]
    good = [(one, text) for one, text in inputs if not isinstance(one, str)]
    search, tuning = tune_search(recognizer, [one for one, _ in good], [text for _, text in good], measure=measure)
    print(
        f"evaluate-lines: tuned on these lines in {len(tuning.searched)} searches:"
        f" --language-weight {search.language_weight:g} --insertion-bonus {search.insertion_bonus:g}",
        file=sys.stderr,
    )
    return search


def _read_lines(recognizer: "Recognizer", lines: "list[Line]", search: "CTCSearchConfig") -> "Iterator[ReadLine]":
    """Every line with what was read, in order; images are in memory a window at a time."""
    from tqdm import tqdm

    with tqdm(total=len(lines), unit=" lines", leave=False, disable=None) as bar:
        for start in range(0, len(lines), WINDOW):
            window = lines[start : start + WINDOW]
            inputs = [_input(recognizer, line) for line in window]
            good = [one for one in inputs if not isinstance(one, str)]
            found = iter(recognizer.recognize(good, search=search))
            for line, one in zip(window, inputs, strict=True):
                yield _unread(line, one) if isinstance(one, str) else _as_read(recognizer, line, one, next(found))
            bar.update(len(window))


def _input(recognizer: "Recognizer", line: "Line") -> "LineInput | str":
    """A line as the model sees it, or why it cannot be read or scored."""
    if not (line.text or "").strip():
        return (
            f"{line.name}: has {'no' if line.text is None else 'an empty'} transcript, so that no error can be counted"
        )
    try:
        return recognizer.read(line)
    except DataError as error:
        return str(error) if line.name in str(error) else f"{line.name}: {error}"


def _unread(line: "Line", problem: str) -> "ReadLine":
    from nmt.cli.lines_findings import ReadLine

    return ReadLine(line.name, line.writer, line.text or "", None, problem=problem)


def _as_read(recognizer: "Recognizer", line: "Line", features: "LineInput", found: "Recognition") -> "ReadLine":
    from nmt.cli.lines_findings import ReadLine

    return ReadLine(
        line.name,
        line.writer,
        line.text or "",
        found.text,
        found.confidence,
        found.characters,
        line.recording,
        _problem(recognizer, line, features.columns),
    )


def _problem(recognizer: "Recognizer", line: "Line", columns: int) -> str | None:
    """Why this model can never read a line without an error, if that is so."""
    from nmt.text.alphabet import minimum_frames
    from nmt.text.normalize import normalize

    text = normalize(line.text or "", recognizer.config.data.normalization)
    try:
        ids = recognizer.alphabet.encode(text)
    except DataError as error:
        return f"{line.name}: {error}"
    frames, needed = recognizer.model.frontend.frames(columns), minimum_frames(ids)
    if frames >= needed:
        return None
    return f"{line.name}: {frames:,} frames cannot spell {len(ids):,} symbols, which need {needed:,}"


def _findings(
    arguments: argparse.Namespace, lines: "list[ReadLine]", search: "CTCSearchConfig", measure: "Measure"
) -> "Findings":
    from nmt.cli.lines_findings import Findings
    from nmt.metrics.confusions import confusions
    from nmt.metrics.error_rate import error_rates

    references, hypotheses = [line.reference for line in lines], [line.hypothesis for line in lines]
    rates = error_rates(
        references,
        hypotheses,
        [line.writer for line in lines],
        measure=measure,
        resamples=arguments.resamples,
        seed=arguments.resampling_seed,
    )
    about = {
        "checkpoint": str(arguments.checkpoint),
        "lines": ", ".join(arguments.lines),
        "search": _search_text(search) + (", α and β tuned on these lines" if arguments.tune else ""),
        "version": __version__,
    }
    return Findings(about, lines, rates, confusions(references, hypotheses, measure), _calibrations(lines, measure))


def _calibrations(lines: "list[ReadLine]", measure: "Measure") -> "list[Calibration]":
    """Of lines, right where no character is wrong, and of the characters read; nothing where nothing was read."""
    from nmt.metrics.calibration import calibration
    from nmt.metrics.error_rate import character_alignment

    whole: list[tuple[float, bool]] = []
    single: list[tuple[float, bool]] = []
    for line in lines:
        if line.confidence is None:
            continue
        edits = character_alignment(*line.pair, measure)
        whole.append((line.confidence, not any(edit.is_error for edit in edits)))
        right = [not edit.is_error for edit in edits if edit.hypothesis is not None]
        if len(right) == len(line.characters):  # unless the normalisation has joined some
            single += [(one.confidence, good) for one, good in zip(line.characters, right, strict=True)]
    named = {"lines": whole, "characters": single}
    return [calibration(*zip(*pairs, strict=True), of=of) for of, pairs in named.items() if pairs]


def _search_text(search: "CTCSearchConfig") -> str:
    """`best path`, or the beam with what else weighs."""
    if search.beam_size == 1:
        return "best path"
    said = f"prefix beam {search.beam_size}, α {search.language_weight:g}, β {search.insertion_bonus:g}"
    return said + (f", lexicon {search.lexicon}" if search.lexicon else "")


def _write(arguments: argparse.Namespace, found: "Findings") -> None:
    """The files asked for, each whole."""
    from nmt.cli.lines_findings import as_dict, as_table

    if arguments.output is not None:
        atomic_write(arguments.output, as_table(found).encode("utf-8", errors="replace"))
    if arguments.json is not None:
        atomic_write(arguments.json, json.dumps(as_dict(found), ensure_ascii=True, indent=1) + "\n")
    if arguments.report is not None:
        from nmt.cli.lines_report import page

        title = f"Lines read by {arguments.checkpoint.resolve().name}"
        text = page(found, title=title, worst=arguments.worst)
        atomic_write(arguments.report, text.encode("utf-8", errors="replace"))


main = guarded(run)
