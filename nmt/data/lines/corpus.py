"""Prepared lines by position: inputs as the model reads them, kept where memory allows, and ids of the transcripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numpy.typing import NDArray

from nmt.config.lines import AugmentationConfig
from nmt.data.lines.line import BadLine, Line, Pixels, Points
from nmt.data.lines.picture import Colour, as_floats, ink
from nmt.errors import DataError
from nmt.text.alphabet import Alphabet

Prepared = NDArray[np.uint8] | NDArray[np.float32]  # (C, Y, X): ink in 256 levels, or (C, 1, X) stroke features


@dataclass(frozen=True)
class Preparation:
    """How a recording becomes what the model reads; picklable, so that workers can read what was not kept."""

    kind: Literal["image", "strokes"]
    height: int
    colour: Colour

    def __call__(self, read: Pixels | Points) -> Prepared:
        """(C, Y, X). DataError for pixels where strokes are read, and the reverse."""
        if isinstance(read, Pixels) and self.kind == "image":
            return ink(read, self.height, self.colour)
        if isinstance(read, Points) and self.kind == "strokes":
            from nmt.data.lines.strokes import stroke_features

            features: NDArray[np.float32] = stroke_features(read)
            return features
        is_, reads = ("an image", "pen strokes") if isinstance(read, Pixels) else ("pen strokes", "images")
        raise DataError(f"is {is_}, but the model reads {reads}; set model.frontend.kind")


class LineCorpus:
    """The usable lines of a split by position, and the bad ones."""

    def __init__(
        self,
        lines: Sequence[Line],
        kept: Sequence[Prepared | None],
        lengths: Sequence[int],
        *,
        alphabet: Alphabet,
        preparation: Preparation,
        minimum_columns: Sequence[int],
        bad: Sequence[BadLine] = (),
    ) -> None:
        """`lines` have normalised transcripts in the alphabet; `kept` are prepared inputs, None to read again.

        `minimum_columns` are the fewest that have frames enough for a line's transcript.
        """
        self._lines, self._kept = list(lines), list(kept)
        self._preparation, self.minimum_columns = preparation, tuple(minimum_columns)
        self.alphabet = alphabet
        self.bad = tuple(bad)
        self.texts = tuple(line.text or "" for line in lines)
        self._ids = [np.array(alphabet.encode(text), dtype=np.int64) for text in self.texts]
        self.lengths: Int32[np.ndarray, " N"] = np.array(lengths, dtype=np.int32)
        self.target_lengths: Int32[np.ndarray, " N"] = np.array([len(ids) for ids in self._ids], dtype=np.int32)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def lines(self) -> Sequence[Line]:
        """The lines as they were found, with normalised transcripts."""
        return self._lines

    def name(self, index: int) -> str:
        """Where a line stands; unique in the corpus."""
        return self._lines[index].name

    origin = name

    def text(self, index: int) -> str:
        """The normalised transcript."""
        return self.texts[index]

    def writer(self, index: int) -> str:
        """Who wrote it, "" where unknown."""
        return self._lines[index].writer

    def targets(self, index: int) -> Int64[np.ndarray, " T"]:
        """Ids of the transcript's characters."""
        return self._ids[index]

    def recording(self, index: int) -> Pixels | Points:
        """The line as it was recorded, read anew."""
        return self._lines[index].recording.read()

    def input(self, index: int) -> Float32[np.ndarray, "C Y X"]:
        """What the model reads, `lengths[index]` columns. DataError where a file has changed since it was prepared."""
        kept = self._kept[index]
        prepared = self._preparation(self.recording(index)) if kept is None else kept
        if prepared.shape[-1] != self.lengths[index]:
            raise DataError(
                f"{self.name(index)}: has {prepared.shape[-1]} columns and had {self.lengths[index]} when it was "
                "prepared; the file has changed, so start again"
            )
        return as_floats(prepared) if prepared.dtype == np.uint8 else prepared.astype(np.float32)

    def varied_input(
        self, index: int, augmentation: AugmentationConfig, generator: np.random.Generator
    ) -> Float32[np.ndarray, "C Y X"]:
        """The same, varied by chance, with columns enough for its transcript."""
        from nmt.data.lines.augmentation import augment_image, augment_strokes

        least = self.minimum_columns[index]
        if self._preparation.kind == "image":
            return augment_image(self.input(index), augmentation.image, generator, minimum_columns=least)
        points = self.recording(index)
        assert isinstance(points, Points)  # it was prepared as such
        return augment_strokes(points, augmentation.strokes, generator, minimum_columns=least)
