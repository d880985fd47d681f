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

    What could not be read comes first, then what was read as nothing; of equally sure lines, the earlier one. Nothing
    is written before all lines are there, so nothing of a run that is interrupted.
    """
    rows: list[tuple[float, str]] = []
    yield lambda found, row: rows.append((_sureness(found), row))
    for _, row in sorted(rows, key=itemgetter(0)):
        write(row)


def _sureness(found: "Recognition | str") -> float:
    """A confidence, or less than any: an empty text is the surest there is, if a line is blank, and worth a look."""
    if isinstance(found, str):
        return -2.0
    return found.confidence if found.text.strip() else -1.0
