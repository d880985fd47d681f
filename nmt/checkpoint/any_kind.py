"""A checkpoint of whichever kind of run, for what treats all alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from nmt.checkpoint.file import Content, read_content, task_of
from nmt.checkpoint.recognition import RecognitionCheckpoint, recognition_of
from nmt.checkpoint.translation import Checkpoint, checkpoint_of

# the word of `task` → its description taken apart
_READERS: Final[dict[str, Callable[[Content], Checkpoint | RecognitionCheckpoint]]] = {
    "translation": checkpoint_of,
    "recognition": recognition_of,
}


def read_any(path: str | Path) -> Checkpoint | RecognitionCheckpoint:
    """Read a file or a run folder onto the CPU, of whichever kind. Raises CheckpointError naming what is wrong."""
    content = read_content(path)
    return _READERS[task_of(content.entry)](content)
