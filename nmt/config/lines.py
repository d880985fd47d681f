"""Where lines of handwriting come from, how they are batched and how training varies them."""

from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from nmt.config.values import Count, Flag, Frozen, NonNegative, Number, Probability, as_list

COMPOSED = ("pendigits", "digits")  # kinds whose lines are made of single symbols, and are files of nobody's


class LineSource(Frozen):
    """One place lines come from, as images or as pen strokes, each with its transcript.

    `kind="auto"` reads it off `path`: a `.tsv`, `.csv` or `.jsonl` file, or a folder with such a file, is a table of
    image files and transcripts; a folder of `x.png` and `x.gt.txt` are pairs; a `.xml` file or a folder of them is ALTO
    or PAGE; a `.jsonl` whose rows have `strokes` holds pen strokes; `digits:train`, `pendigits:FILE` and
    `pendigits:test:FILE` (train, validation or test, else train) name their kind.
    """

    path: str = Field(min_length=1)
    kind: Literal["auto", "table", "pairs", "alto", "page", "hub", "strokes", "pendigits", "digits"] = "auto"
    image_column: str | None = Field(default=None, description="of a table: the image file; found by its name if null")
    text_column: str | None = Field(default=None, description="of a table: the transcript; found by its name if null")
    writer_column: str | None = Field(default=None, description="of a table: who wrote it; found by its name if null")
    subset: str | None = Field(default=None, description="configuration of a hub dataset")
    split: str = Field(default="train", description="of a hub dataset; of pendigits train, validation or test")
    revision: str | None = Field(default=None, description="git revision of a hub dataset")
    symbols: Count = Field(default=8, le=1000, description="pendigits and digits: most symbols of a composed line")
    lines: Count | None = Field(default=None, description="pendigits and digits: how many lines to compose")

    @property
    def spelled(self) -> str:
        """The path with the kind that it names, as `data.test` and `evaluate-lines --lines` take it."""
        named = {"auto": (), "pendigits": (self.kind, self.split)}.get(self.kind, (self.kind,))
        return ":".join((*named, self.path))

    @property
    def collection(self) -> tuple[str, ...] | None:
        """What its validation and test sets share with it; None for files of one's own, which do not say."""
        return {"digits": ("digits",), "hub": ("hub", self.path, self.subset or "")}.get(self.kind)


def _parse_source(text: str) -> dict[str, str]:
    """`digits:train`, `pendigits:test:FILE` and `hub:owner/name` name their kind; every other string is a path."""
    kind, colon, path = text.partition(":")
    named = ("alto", "page", "hub", "strokes", *COMPOSED)
    if not colon or kind not in named:
        return {"path": text}
    split, colon, file = path.partition(":")
    if kind == "pendigits" and colon and split in ("train", "validation", "test"):
        return {"kind": kind, "path": file, "split": split}
    return {"kind": kind, "path": path}


def is_composed(path: str) -> bool:
    """Whether what is given as a source names lines that are made of single symbols, of which there are no files."""
    kind, colon, _ = path.partition(":")
    return bool(colon) and kind in COMPOSED


LineSources = Annotated[tuple[LineSource, ...], BeforeValidator(partial(as_list, kind=LineSource, parse=_parse_source))]


class ImageAugmentationConfig(Frozen):
    """How far a line image may be changed each time it is shown; 0 switches a change off."""

    rotation: Number = Field(default=1.0, ge=0.0, le=20.0, description="degrees either way, at most")
    shear: Number = Field(default=0.25, ge=0.0, le=1.0, description="horizontal shift per pixel of height, at most")
    scale: Number = Field(default=0.1, ge=0.0, le=0.5, description="of the height, either way, at most")
    stretch: Number = Field(default=0.15, ge=0.0, le=0.5, description="of the width, either way, at most")
    shift: Number = Field(default=0.05, ge=0.0, le=0.5, description="vertically, of the height, at most")
    elastic: Number = Field(default=1.2, ge=0.0, le=10.0, description="deviation of grid points, in pixels")
    elastic_grid: Count = Field(default=16, description="pixels between grid points")
    thickness: Probability = Field(default=0.3, description="chance that strokes get one pixel thicker or thinner")
    brightness: Number = Field(default=0.1, ge=0.0, le=1.0, description="added to the paper's grey, either way")
    contrast: Number = Field(default=0.3, ge=0.0, lt=1.0, description="ink's darkness times 1 ± this, at most")
    noise: Number = Field(default=0.03, ge=0.0, le=1.0, description="deviation of pixel noise, at most")
    blur: Number = Field(default=0.7, ge=0.0, le=5.0, description="deviation of a Gaussian blur in pixels, at most")


class StrokeAugmentationConfig(Frozen):
    """How far pen strokes may be changed each time they are shown; 0 switches a change off."""

    jitter: Number = Field(default=0.01, ge=0.0, le=0.5, description="deviation of each point, in line heights")
    rotation: Number = Field(default=5.0, ge=0.0, le=45.0, description="degrees either way, at most")
    shear: Number = Field(default=0.2, ge=0.0, le=1.0, description="horizontal shift per unit of height, at most")
    scale: Number = Field(default=0.15, ge=0.0, le=0.5, description="of either axis, either way, at most")
    speed: Number = Field(default=0.15, ge=0.0, le=0.5, description="points per way, either way, at most")


class AugmentationConfig(Frozen):
    enabled: Flag = True
    image: ImageAugmentationConfig = ImageAugmentationConfig()
    strokes: StrokeAugmentationConfig = StrokeAugmentationConfig()


class LinesConfig(Frozen):
    """The `data` section of a recogniser."""

    train: LineSources = ()
    validation: LineSources = ()
    test: LineSources = ()
    normalization: Literal["nfc", "nfkc", "none"] = "nfc"
    batch_columns: Count = Field(
        default=12_000, description="padded pixel columns (points of strokes) of a batch, times the height its pixels"
    )
    batch_lines: Count = Field(default=32, description="lines of a batch, at most")
    max_columns: Count = Field(default=4000, description="a longer training line is bad, with its name and this reason")
    workers: NonNegative = Field(
        default=0, le=256, description="processes of every rank that make batches; 0 makes them in the training process"
    )
    memory_megabytes: NonNegative = Field(
        default=2000, description="prepared lines kept in memory; what does not fit is read again each time"
    )
    augmentation: AugmentationConfig = AugmentationConfig()
    leaks: Literal["error", "warn", "off"] = Field(
        default="warn", description="what to do where splits share writers, texts or nearly the same texts"
    )
