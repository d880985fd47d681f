"""The order in which `recognize --sort confidence` writes: what a proof-reader should look at first comes first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

from nmt.cli.output import Write

if TYPE_CHECKING:
    from nmt.inference.recognition import Recognition


@contextmanager
def least_sure_first(write: Write) -> Iterator[Callable[["Recognition | str", str], None]]:
    """A function that takes what became of a line, and its row; the rows are written when all are there.

    What could not be read comes first; of equally sure lines, the earlier one.
    """
    rows: list[tuple[float, str]] = []
    yield lambda found, row: rows.append((-1.0 if isinstance(found, str) else found.confidence, row))
    for _, row in sorted(rows, key=itemgetter(0)):
        write(row)
