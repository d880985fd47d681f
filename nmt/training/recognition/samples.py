"""Lines of the validation set as they are read now: truth, reading with its differences, and where each letter stands.

The same lines every time, spread over lengths and writers, so that one sees the model learn.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from nmt.data.lines.corpus import LineCorpus
from nmt.data.lines.line import Points
from nmt.data.lines.strokes import Walk, walk_of
from nmt.inference.inline import visible
from nmt.metrics.error_rate import character_alignment, character_errors
from nmt.search.ctc import BLANK
from nmt.text.alphabet import Alphabet
from nmt.training.recognition.pictures import AlignedLine, Letter, alignment_png, alignment_svg
from nmt.training.watching.samples import Picture, terms

SAMPLES = 8


class FramePath(NamedTuple):
    """The best path of a line and how probable it is, frame by frame."""

    symbols: Int64[np.ndarray, " F"]  # ids, blanks among them
    blank: Float32[np.ndarray, " F"]  # p(blank)
    symbol: Float32[np.ndarray, " F"]  # p of the likeliest symbol beside it


class SampleLine(NamedTuple):
    """A `Sample` of a recogniser."""

    name: str
    writer: str
    truth: str
    reading: str
    score: float  # the line's CER in per cent
    line: AlignedLine

    def cells(self) -> dict[str, str | float]:
        texts: dict[str, str | float] = {"line": self.name, "writer": self.writer}
        return texts | {"truth": self.truth, "reading": self.reading, "cer": self.score}

    def article(self) -> str:
        writer = f", by {escape(self.writer)}" if self.writer else ""
        rows = {
            "line": escape(self.name) + writer,
            "truth": escape(self.truth),
            "reading": differences(self.truth, self.reading),
            "CER": f"{self.score:.1f} %",
        }
        return f"<article>{terms(rows)}{alignment_svg(self.line)}</article>"

    def legend(self) -> str:
        return (
            "The same lines at every validation, by best path. Reading: <del>of the truth, not read</del> and"
            " <ins>read, not in the truth</ins>; ␣ is a space. Below what the model sees, a column a frame: in grey how"
            " probable a blank is, in blue the likeliest symbol beside it, darker is more; then each letter under its"
            " own frames, in turn in two colours, as are its strokes. Point at a letter for its probability. CER:"
            " wrong, missing and invented characters for every hundred of the truth."
        )

    def picture(self) -> Picture:
        caption = f"{self.reading}\n(truth: {self.truth}; CER {self.score:.1f} %)"
        return Picture("alignment", alignment_png(self.line), caption)


def frame_path(log_probs: Float[Tensor, "F V"]) -> FramePath:
    """What is shown of a line's frames; small, so that ranks can send it."""
    log_probs = log_probs.detach().cpu()
    return FramePath(
        log_probs.argmax(dim=1).numpy(),
        log_probs[:, BLANK].exp().numpy(),
        log_probs[:, BLANK + 1 :].amax(dim=1).exp().numpy(),
    )


def choose_lines(lengths: Sequence[int], writers: Sequence[str], *, count: int = SAMPLES) -> tuple[int, ...]:
    """Positions of at most `count` lines, shortest first: of every stretch of lengths the line nearest to its middle
    among those by the writer with fewest so far."""
    ascending = sorted(range(len(lengths)), key=lambda position: lengths[position])
    count = min(count, len(ascending))
    taken: Counter[str] = Counter()
    chosen = []
    for number in range(count):
        stretch = ascending[number * len(ascending) // count : (number + 1) * len(ascending) // count]
        middle = (len(stretch) - 1) / 2
        place = min(range(len(stretch)), key=lambda i: (taken[writers[stretch[i]]], abs(i - middle)))
        chosen.append(stretch[place])
        taken[writers[stretch[place]]] += 1
    return tuple(chosen)


def sample_lines(
    corpus: LineCorpus, paths: Mapping[int, FramePath], *, kind: Literal["image", "strokes"], stride: int
) -> list[SampleLine]:
    """Samples of the lines by position; `stride` is the front-end's."""
    samples = []
    for position, path in paths.items():
        letters = letters_of(path, corpus.alphabet)
        truth, reading = corpus.text(position), "".join(letter.symbol for letter in letters)
        score = 100.0 * character_errors(truth, reading).rate
        line = AlignedLine(_seen(corpus, position, kind), stride, path.blank, path.symbol, letters)
        samples.append(SampleLine(corpus.name(position), corpus.writer(position), truth, reading, score, line))
    return samples


def letters_of(path: FramePath, alphabet: Alphabet) -> tuple[Letter, ...]:
    """The symbols that a path says, each at its own frames."""
    letters, start = [], 0
    for number, run in groupby(path.symbols.tolist()):
        end = start + sum(1 for _ in run)
        if number != BLANK:
            certain = float(path.symbol[start:end].max())
            letters.append(Letter(alphabet.symbols[number - 1], start, end, certain))
        start = end
    return tuple(letters)


def differences(truth: str, reading: str) -> str:
    """The reading as HTML: what it left out of the truth in `del`, what it has instead or in excess in `ins`."""
    parts = []
    for wrong, run in groupby(character_alignment(truth, reading), key=lambda edit: edit.is_error):
        edits = list(run)
        missing = "".join(edit.reference or "" for edit in edits)
        read = "".join(edit.hypothesis or "" for edit in edits)
        parts.append(f"{_marked('del', missing)}{_marked('ins', read)}" if wrong else escape(read))
    return "".join(parts)


def _marked(tag: str, text: str) -> str:
    return f"<{tag}>{escape(''.join(map(visible, text)))}</{tag}>" if text else ""


def _seen(corpus: LineCorpus, position: int, kind: Literal["image", "strokes"]) -> NDArray[np.uint8] | Walk:
    """What the model sees of a line, so that columns and frames agree: dark ink on bright paper, or the pen's way."""
    if kind == "strokes":
        points = corpus.recording(position)
        assert isinstance(points, Points)  # it was prepared as such
        return walk_of(points)
    ink = np.moveaxis(corpus.input(position), 0, -1)
    paper: NDArray[np.uint8] = np.rint(255 * (1 - ink)).astype(np.uint8)
    return paper.squeeze(2) if paper.shape[2] == 1 else paper
