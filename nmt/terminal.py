"""Whether somebody watches: what is drawn on a terminal is nothing in a log, and nothing where there is no room."""

import os
from typing import TextIO


def is_watched(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that a bar can be drawn on.

    One of no columns is none: `script` started without a terminal makes such, and tqdm then draws nothing at all.
    """
    if not stream.isatty():
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except OSError:  # it has no file (io.UnsupportedOperation), or does not say
        return True
