"""`evaluate-lines`: CER and WER of a recogniser on lines with transcripts, with intervals; where and how it errs."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt import __version__
from nmt.cli.ctc_options import ctc_overrides, load_recognizer
from nmt.cli.guard import guarded
from nmt.cli.lines_options import checked_sources, parser
from nmt.files import atomic_write

LONG: Final = 64  # lines that take a while to be fitted to

if TYPE_CHECKING:
    from nmt.cli.lines_findings import Findings, ReadLine
    from nmt.config.recognition import CTCSearchConfig
    from nmt.data.lines.line import Line
    from nmt.inference.recognizer import Recognizer
    from nmt.metrics.calibration import Calibration
    from nmt.metrics.error_rate import Measure


def run(argv: list[str]) -> int:
    """Score; everything that can be wrong with arguments and files is said before torch is imported."""
    arguments = parser().parse_args(argv)
    overrides = ctc_overrides(arguments)
    sources = checked_sources(arguments)
    recognizer = load_recognizer(arguments, overrides)
    from nmt.cli.lines_findings import told, told_bad
    from nmt.cli.lines_reading import listed, read_lines
    from nmt.inference.recognition import told_silent
    from nmt.metrics.error_rate import Measure

    lines = listed(sources, kind=recognizer.config.model.frontend.kind)
    measure = Measure(arguments.normalization, lowercase=arguments.ignore_case, unit=arguments.unit)
    search = _fitted(arguments, recognizer, lines, measure)
    read = list(read_lines(recognizer, lines, search))
    found = _findings(arguments, read, search, measure)
    _write(arguments, found)
    if arguments.calibrate is not None:
        _write_checkpoint(arguments, search)
    print(told(found))
    for problem in told_bad(found):
        print(f"evaluate-lines: {problem}", file=sys.stderr)
    texts = [line.hypothesis for line in read if line.hypothesis is not None]
    if said := told_silent(sum(not text.strip() for text in texts), len(texts)):
        print(f"evaluate-lines: {said}", file=sys.stderr)
    unread = len(read) - len(texts)
    untold = sum(not line.reference.strip() for line in read)
    if untold:
        print(f"evaluate-lines: {untold:,} of {len(read):,} lines have no transcript to err in", file=sys.stderr)
    return 1 if unread or untold else 0


def _fitted(
    arguments: argparse.Namespace, recognizer: "Recognizer", lines: "list[Line]", measure: "Measure"
) -> "CTCSearchConfig":
    """The search with the α and β that read these lines best, and confidences fitted to them, as far as was asked."""
    search = recognizer.search
    if not arguments.tune and arguments.calibrate is None:
        return search
    from nmt.cli.lines_reading import readable
    from nmt.inference.line_tuning import calibrate_search, tune_search

    inputs, texts = readable(recognizer, lines)
    if len(inputs) > LONG:  # no bar moves meanwhile
        print(f"evaluate-lines: fitting to {len(inputs):,} lines, which are read again afterwards", file=sys.stderr)
    if arguments.tune:
        search, tuning = tune_search(recognizer, inputs, texts, measure=measure)
        print(
            f"evaluate-lines: tuned on these lines in {len(tuning.searched)} searches:"
            f" --language-weight {search.language_weight:g} --insertion-bonus {search.insertion_bonus:g}",
            file=sys.stderr,
        )
    if arguments.calibrate is not None:
        search = calibrate_search(recognizer, inputs, texts, search=search, measure=measure)
    return search


def _findings(
    arguments: argparse.Namespace, lines: "list[ReadLine]", search: "CTCSearchConfig", measure: "Measure"
) -> "Findings":
    from nmt.cli.lines_findings import Findings
    from nmt.inference.line_confidence import is_fitted
    from nmt.metrics.confusions import confusions
    from nmt.metrics.error_rate import character_errors, error_rates
    from nmt.metrics.proofreading import proofreading

    references, hypotheses = [line.reference for line in lines], [line.hypothesis for line in lines]
    rates = error_rates(
        references,
        hypotheses,
        [line.writer for line in lines],
        measure=measure,
        resamples=arguments.resamples,
        seed=arguments.resampling_seed,
    )
    fitted = is_fitted(search)
    about = {
        "checkpoint": str(arguments.checkpoint),
        "lines": ", ".join(arguments.lines),
        "search": _search_text(search) + (", α and β tuned on these lines" if arguments.tune else ""),
        "confidences": ("fitted" if fitted else "plain likelihoods")
        + (" on these lines" if arguments.calibrate else ""),
        "version": __version__,
    }
    errors = [character_errors(*line.pair, measure).errors for line in lines]
    return Findings(
        about,
        lines,
        rates,
        confusions(references, hypotheses, measure),
        _calibrations(lines, measure),
        proofreading([line.confidence for line in lines], errors),
        fitted=fitted,
    )


def _calibrations(lines: "list[ReadLine]", measure: "Measure") -> "list[Calibration]":
    """Of lines, right where no character is wrong; of their shares of right characters; and of the characters read."""
    from nmt.inference.line_confidence import Outcome
    from nmt.metrics.calibration import calibration
    from nmt.metrics.error_rate import character_alignment

    whole: list[tuple[float, float]] = []
    shares: list[tuple[float, float]] = []
    single: list[tuple[float, float]] = []
    for line in lines:
        if line.confidence is None or line.line_confidence is None:
            continue
        edits = character_alignment(*line.pair, measure)
        errors = sum(edit.is_error for edit in edits)
        whole.append((line.line_confidence, not errors))
        size = max(len(measure.characters(text)) for text in line.pair)
        shares.append((line.confidence, Outcome(errors, size).share))
        right = [not edit.is_error for edit in edits if edit.hypothesis is not None]
        if len(right) == len(line.characters):  # unless the normalisation has joined some
            single += [(one.confidence, good) for one, good in zip(line.characters, right, strict=True)]
    named = {"lines": whole, "shares of lines": shares, "characters": single}
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


def _write_checkpoint(arguments: argparse.Namespace, search: "CTCSearchConfig") -> None:
    """The checkpoint with this search, and with the language model that it asked."""
    from nmt.checkpoint import read_recognition, write_checkpoint
    from nmt.text.arpa import arpa_bytes, read_arpa

    old = read_recognition(arguments.checkpoint)
    given = arguments.language_model
    model = old.language_model if given is None else arpa_bytes(read_arpa(Path(given)))
    new = replace(old, config=old.config.model_copy(update={"search": search}), language_model=model)
    write_checkpoint(arguments.calibrate, new)


main = guarded(run)
