"""Datasets of line images and texts: of the Hugging Face hub (Teklia/IAM-line and its like), or local Parquet files.

The image column is the one configured, else the only one of images; the text column is found as in a table. A class
label counts as the name of its class.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.config.lines import LineSource
from nmt.data.hub import load_split, place_of
from nmt.data.lines.line import Line, Pixels
from nmt.data.lines.picture import Unreadable, decode_image, read_image
from nmt.data.lines.tables import Columns, find_columns, transcript
from nmt.data.tables import expand_glob
from nmt.data.text_files import missing_file
from nmt.errors import DataError


@dataclass(frozen=True)
class DatasetRow:
    """The image of one row; the dataset stays on disk."""

    dataset: Any  # of `datasets`; its one column holds images that are not decoded
    column: str
    index: int
    name: str

    def read(self) -> Pixels:
        value = self.dataset[self.index][self.column] or {}
        if value.get("bytes") is not None:
            return Pixels(decode_image(value["bytes"], name=self.name))
        if value.get("path"):
            return Pixels(read_image(value["path"]))
        raise DataError(f"{self.name}: has no image")


def read_hub(source: LineSource) -> Iterator[Line]:
    """The rows of a split, or of local Parquet files. DataError where they cannot be loaded or columns are missing."""
    place, dataset = _load(source)
    columns = _columns(dataset, source, place)
    images = _undecoded(dataset, columns.image, place)
    texts = dataset.select_columns([name for name in (columns.text, columns.writer) if name])
    label = getattr(dataset.features[columns.text], "int2str", None)
    for index, row in enumerate(texts):
        name = f"{place}:{index + 1}"
        cell = row[columns.text]
        text, problem = transcript(label(cell) if label and isinstance(cell, int) and cell >= 0 else cell)
        writer = "" if columns.writer is None or row[columns.writer] is None else str(row[columns.writer])
        image = DatasetRow(images, columns.image, index, name)
        yield Line(name, text, writer, Unreadable(f"{name}: {problem}") if problem else image)


def _load(source: LineSource) -> tuple[str, Any]:
    """What the rows are called by, and the dataset."""
    import datasets

    local = Path(source.path).suffix.lower() == ".parquet"
    if not local:
        dataset = load_split(
            source.path,
            source.subset,
            split=source.split,
            revision=source.revision,
            instead="--data.train FOLDER for a folder of images with a lines.tsv",
        )
        return place_of(source.path, source.subset, source.split), dataset
    files = expand_glob(source.path)
    for file in files:
        if not Path(file).is_file():
            raise missing_file(file)
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        return source.path, datasets.load_dataset("parquet", data_files=files, split="train")
    except (datasets.exceptions.DatasetGenerationError, OSError, ValueError) as error:
        detail = " ".join(str(error.__cause__ or error).split())[:200]
        raise DataError(f"{source.path}: not a readable Parquet file ({detail})") from error
    finally:
        if shown:
            datasets.enable_progress_bars()


def _columns(dataset: Any, source: LineSource, place: str) -> Columns:
    import datasets

    images = [name for name, feature in dataset.features.items() if isinstance(feature, datasets.Image)]
    if source.image_column is None and len(images) == 1:
        source = source.model_copy(update={"image_column": images[0]})
    return find_columns(dataset.column_names, source, place=place)


def _undecoded(dataset: Any, column: str, place: str) -> Any:
    """The images alone, as bytes or paths, so that a damaged one is found by us and named."""
    import datasets
    import pyarrow

    try:
        return dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    except (TypeError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{place}: column {column!r} holds {dataset.features[column]}, not images") from error
