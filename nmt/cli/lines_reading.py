"""How `evaluate-lines` reads: every line with what was read of it, and with what keeps it from being read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from nmt.cli.lines_findings import ReadLine
from nmt.cli.progress import Progress
from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.config.lines import LinesConfig, LineSource
    from nmt.config.recognition import CTCSearchConfig
    from nmt.data.lines.line import Line
    from nmt.inference.line_input import LineInput
    from nmt.inference.recognition import Recognition
    from nmt.inference.recognizer import Recognizer

WINDOW: Final = 64  # lines prepared and recognised before the next are, and between two words of how far it is


def listed(sources: "LinesConfig", *, kind: Literal["image", "strokes"]) -> "list[Line]":
    """The lines of all sources, none read yet.

    Raises DataError where there is none, or none with a transcript, and for a source that is not of the kind that the
    recogniser reads.
    """
    from nmt.data.lines.sources import read_lines

    for source in sources.test:
        _check_kind(source, kind)
    lines = [line for source in sources.test for line in read_lines(source)]
    places = ", ".join(source.path for source in sources.test)
    if not lines:
        raise DataError(f"{places}: holds no line; there is nothing to score")
    if not any((line.text or "").strip() for line in lines):
        raise DataError(
            f"{places}: none of {len(lines):,} lines has a transcript; there is nothing to score (`recognize` reads"
            " lines without)"
        )
    return lines


def _check_kind(source: "LineSource", kind: Literal["image", "strokes"]) -> None:
    from nmt.data.lines.kind import source_kind

    found = "strokes" if source_kind(source) in ("strokes", "pendigits") else "image"
    if found != kind:
        names = {"image": "images", "strokes": "pen strokes"}
        raise DataError(f"{source.path}: {names[found]}, but this recogniser reads {names[kind]}")


def read_lines(recognizer: "Recognizer", lines: "list[Line]", search: "CTCSearchConfig") -> Iterator[ReadLine]:
    """Every line with what was read, in order; images are in memory a window at a time."""
    with Progress("evaluate-lines", total=lambda: len(lines)) as shown:
        for start in range(0, len(lines), WINDOW):
            window = lines[start : start + WINDOW]
            inputs = [line_input(recognizer, line) for line in window]
            good = [one for one in inputs if not isinstance(one, str)]
            found = iter(recognizer.recognize(good, search=search))
            for line, one in zip(window, inputs, strict=True):
                yield _unread(line, one) if isinstance(one, str) else _as_read(recognizer, line, one, next(found))
            shown.advance(len(window))


def readable(recognizer: "Recognizer", lines: "list[Line]") -> "tuple[list[LineInput], list[str]]":
    """The lines that can be read and have a transcript, as the model sees them, and the transcripts."""
    inputs = [(line_input(recognizer, line), line.text or "") for line in lines]
    good = [(one, text) for one, text in inputs if not isinstance(one, str)]
    return [one for one, _ in good], [text for _, text in good]


def line_input(recognizer: "Recognizer", line: "Line") -> "LineInput | str":
    """A line as the model sees it, or why it cannot be read or scored."""
    if not (line.text or "").strip():
        return (
            f"{line.name}: has {'no' if line.text is None else 'an empty'} transcript, so that no error can be counted"
        )
    try:
        return recognizer.read(line)
    except DataError as error:
        return str(error) if line.name in str(error) else f"{line.name}: {error}"


def _unread(line: "Line", problem: str) -> ReadLine:
    return ReadLine(line.name, line.writer, line.text or "", None, problem=problem)


def _as_read(recognizer: "Recognizer", line: "Line", features: "LineInput", found: "Recognition") -> ReadLine:
    return ReadLine(
        line.name,
        line.writer,
        line.text or "",
        found.text,
        found.confidence,
        found.characters,
        line.recording,
        _problem(recognizer, line, features.columns),
        found.line_confidence,
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
