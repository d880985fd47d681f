"""GNMT in PyTorch Lightning. Public names are loaded when they are first used, so that `import nmt` costs nothing.

from nmt import Translator
translator = Translator.from_checkpoint("runs/demo")
print(translator.translate(["Der alte Mann schläft."])[0].text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.config.load import load_config
    from nmt.config.schema import Config
    from nmt.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        NMTError,
        RecognitionError,
        StorageError,
        TrainingError,
        TranslationError,
    )
    from nmt.inference.recognition import Recognition
    from nmt.inference.recognizer import Recognizer
    from nmt.inference.translation import TranslatedHypothesis, Translation
    from nmt.inference.translator import Translator

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "Config",
    "ConfigError",
    "DataError",
    "NMTError",
    "Recognition",
    "RecognitionError",
    "Recognizer",
    "StorageError",
    "TrainingError",
    "TranslatedHypothesis",
    "Translation",
    "TranslationError",
    "Translator",
    "__version__",
    "load_config",
]

_HOMES = {
    "CheckpointError": "nmt.errors",
    "Config": "nmt.config.schema",
    "ConfigError": "nmt.errors",
    "DataError": "nmt.errors",
    "NMTError": "nmt.errors",
    "Recognition": "nmt.inference.recognition",
    "RecognitionError": "nmt.errors",
    "Recognizer": "nmt.inference.recognizer",
    "StorageError": "nmt.errors",
    "TrainingError": "nmt.errors",
    "TranslatedHypothesis": "nmt.inference.translation",
    "TranslationError": "nmt.errors",
    "Translation": "nmt.inference.translation",
    "Translator": "nmt.inference.translator",
    "load_config": "nmt.config.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nmt' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # the next time it is simply there
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
