"""Errors a user can act on: each names the thing, its place, both values and the way out.

    NMTError
    ├── ConfigError       an unknown key, a wrong type, a value out of range, an unknown configuration name
    ├── DataError         a missing, empty, mismatched or badly encoded corpus or input file
    ├── CheckpointError   a missing, damaged or foreign checkpoint
    ├── StorageError      a file that cannot be written: no space, no permission
    ├── TranslationError  a translation that cannot go on: out of memory, another process that ended
    ├── RecognitionError  a line that cannot be read by the model: out of memory
    └── TrainingError     a run that cannot go on: interrupted, nothing to train on, loss not finite

The command line prints the message of an NMTError in one piece, after its `label`, and exits with its `exit_code`;
every other exception is a defect of ours and keeps its traceback.
"""


class NMTError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1
    label = "error"  # what its message begins with; of what somebody asked for, not that


class ConfigError(NMTError):
    """The configuration cannot be read or does not make sense; holds one line per problem."""

    exit_code = 2


class DataError(NMTError):
    """A corpus or an input file cannot be used."""


class CheckpointError(NMTError):
    """A checkpoint is missing, damaged or not one of ours."""


class TranslationError(NMTError):
    """Translating cannot go on."""


class RecognitionError(NMTError):
    """Recognising cannot go on."""


class TrainingError(NMTError):
    """Training cannot start or go on."""


class StorageError(NMTError):
    """A file cannot be written; what was there before is intact."""
