"""One self-contained file a model: weights, configuration and what spells its ids, read without unpickling code.

file.py         the file: found, read as plain data, checked, written whole
instead.py      what a file is that is none
weights.py      weights: checked, averaged
translation.py  Checkpoint, of a translator
recognition.py  RecognitionCheckpoint, of a recogniser
any_kind.py     whichever of them a file holds
"""

from nmt.checkpoint.any_kind import read_any
from nmt.checkpoint.file import Saved, find_checkpoint, load_plain, told_unfinished, write_checkpoint
from nmt.checkpoint.recognition import RecognitionCheckpoint, read_recognition, recognition_header
from nmt.checkpoint.translation import Checkpoint, header, read_checkpoint
from nmt.checkpoint.weights import average_weights, check_finite

__all__ = [
    "Checkpoint",
    "RecognitionCheckpoint",
    "Saved",
    "average_weights",
    "check_finite",
    "find_checkpoint",
    "header",
    "load_plain",
    "read_any",
    "read_checkpoint",
    "read_recognition",
    "recognition_header",
    "told_unfinished",
    "write_checkpoint",
]
