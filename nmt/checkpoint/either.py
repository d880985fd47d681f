"""A checkpoint of whichever task it is, for what treats all alike."""

from pathlib import Path

from nmt.checkpoint.file import read_content, task_of
from nmt.checkpoint.recognition import RecognitionCheckpoint, recognition_of
from nmt.checkpoint.translation import Checkpoint, checkpoint_of


def read_either(path: str | Path) -> Checkpoint | RecognitionCheckpoint:
    """Read a file or a run folder, of a translator or a recogniser. Raises CheckpointError naming what is wrong."""
    content = read_content(path)
    return recognition_of(content) if task_of(content.entry) == "recognition" else checkpoint_of(content)
