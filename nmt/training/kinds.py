"""The kinds of run there are; each is described in its own folder."""

from nmt.config.schema import RunConfig
from nmt.training.parts import Kind


def kind_of(config: RunConfig) -> Kind:
    """The kind of run that a configuration is of; the libraries that the others need are not loaded."""
    match config.task:
        case "translation":
            from nmt.training.translation.kind import TRANSLATION

            return TRANSLATION
        case "recognition":
            from nmt.training.recognition.kind import RECOGNITION

            return RECOGNITION
