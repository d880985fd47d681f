"""A run's train.log: all that `nmt` says, as long as there is space for it."""

import contextlib
import logging
import sys
from pathlib import Path

from nmt.errors import StorageError
from nmt.files import append_whole


class LogFile(logging.Handler):
    """Appends to a file as long as its disk has space, and where it has none says so once, on standard error.

    logging.FileHandler prints a traceback for each line instead, and raises when it is closed.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._complained = False
        with contextlib.suppress(OSError):
            file.touch()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            append_whole(self._file, f"{self.format(record)}\n")
        except StorageError as error:
            if not self._complained:
                print(f"{error}; what is said is not kept there", file=sys.stderr)
            self._complained = True


def log_to(file: Path) -> logging.Handler:
    """Everything that `nmt` logs goes to the run's train.log too."""
    handler = LogFile(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("nmt")
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    return handler
