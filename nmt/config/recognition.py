"""Every option of a recogniser's run: lines in, a front-end, the recurrent core, a CTC output, a search."""

import shlex
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nmt.config.lines import COMPOSED, LinesConfig
from nmt.config.model import Cell, DropoutConfig
from nmt.config.run import EveryRun
from nmt.config.training import TrainConfig
from nmt.config.values import Count, Flag, Frozen, NonNegative, Number, Probability


class BlockConfig(Frozen):
    """One convolution, then normalisation, ReLU, pooling and dropout. Pairs are (along the height, along the line)."""

    channels: Count
    kernel: tuple[Count, Count] = (3, 3)
    stride: tuple[Count, Count] = (1, 1)
    pool: tuple[Count, Count] = (1, 1)
    normalization: Literal["batch", "layer", "none"] = "batch"
    dropout: Probability = 0.0
    residual: Flag = Field(default=False, description="add the block's input; wants as many channels as come in")

    @model_validator(mode="after")
    def _kernel_is_odd(self) -> Self:
        if any(size % 2 == 0 for size in self.kernel):
            raise ValueError(f"kernel {self.kernel}: only odd sizes have a middle")
        return self


def _blocks(*rows: dict[str, Any]) -> tuple[BlockConfig, ...]:
    return tuple(BlockConfig(**row) for row in rows)


STROKE_FEATURES = 7  # of a point: nmt/data/lines/strokes.py


class FrontendConfig(Frozen):
    """What makes vectors of a line; `blocks` are the convolutions of either kind (strokes have height 1)."""

    kind: Literal["image", "strokes"] = "image"
    height: Count = Field(default=48, description="pixels that a line image is scaled to")
    colour: Literal["grey", "rgb"] = "grey"
    blocks: tuple[BlockConfig, ...] = _blocks(
        {"channels": 16, "pool": (2, 2)},
        {"channels": 32, "pool": (2, 2)},
        {"channels": 64},
        {"channels": 64, "residual": True, "pool": (2, 1), "dropout": 0.1},
        {"channels": 128, "dropout": 0.1},
    )
    columns: Literal["max", "mean", "flatten"] = Field(
        default="max", description="a column of C × Y features becomes C maxima, C means, or all of them in a row"
    )

    @model_validator(mode="after")
    def _residuals_fit(self) -> Self:
        channels = self.input_channels
        for number, block in enumerate(self.blocks):
            if block.residual and (block.channels != channels or block.stride != (1, 1)):
                raise ValueError(
                    f"blocks.{number}: residual adds its input of {channels} channels to {block.channels} channels at"
                    f" stride {block.stride}; make them equal and the stride (1, 1), or leave residual out"
                )
            channels = block.channels
        return self

    @property
    def input_channels(self) -> int:
        """Of what is read: grey values, red, green and blue, or features of a pen's point."""
        if self.kind == "strokes":
            return STROKE_FEATURES
        return 1 if self.colour == "grey" else 3


class RecognitionModelConfig(Frozen):
    frontend: FrontendConfig = FrontendConfig()
    hidden_size: Count = 192
    cell: Cell = "lstm"
    layers: Count = 3
    bidirectional_layers: NonNegative | None = Field(
        default=None, description="the lowest layers that read both ways; default: all"
    )
    residual_from: Count = Field(
        default=2, description="first layer, counted from 1, whose input is added to its output, where sizes agree"
    )
    shortcut: Flag = Field(default=True, description="a second CTC output on the front-end, in training only")
    dropout: DropoutConfig = DropoutConfig(input=0.3, output=0.3)


Weights = tuple[Number, Number, Number, Number, Number]  # a constant, then one for each kind of evidence


class ConfidenceConfig(Frozen):
    """What makes a reading's evidence (`nmt.inference.line_confidence`) a confidence: the end of a run fits it."""

    share: Weights = Field(
        default=(0.0, 1.0, -1.0, 0.0, 0.0),
        description="for the share of right characters; by default p(text | line) ** (1 / length)",
    )
    line: Weights = Field(
        default=(0.0, 1.0, 0.0, 0.0, 0.0),
        description="for the chance that a whole line is right; by default p(text | line)",
    )


class CTCSearchConfig(Frozen):
    """How a text is chosen: what the end of a run tunes and stores, and `recognize` does unless told otherwise."""

    beam_size: Count = Field(default=1, le=10_000, description="1 is best path; more is prefix beam search")
    top_symbols: NonNegative = Field(default=20, description="best symbols of a frame that a beam tries; 0 = all")
    nbest: Count = Field(default=1, le=1000, description="texts given of each line, scored by their exact likelihood")
    ngram_order: NonNegative = Field(
        default=0, le=12, description="characters of the language model made of the training text; 0 = none"
    )
    language_model: str | None = Field(default=None, description="an ARPA file of characters, carried instead of that")
    language_weight: Number = Field(
        default=0.5, ge=0.0, le=100.0, description="α: log p of the language model times this"
    )
    insertion_bonus: Number = Field(default=0.0, ge=-100.0, le=100.0, description="β: added for every character")
    lexicon: str | None = Field(default=None, description="a file of words, one a line: no other word is read")
    confidence: ConfidenceConfig = ConfidenceConfig()


class RecognitionTrainConfig(TrainConfig):
    """Beside what every run has: the shortcut's share, the curriculum, the search's tuning, the score that decides."""

    shortcut_weight: Number = Field(
        default=0.3, ge=0.0, le=100.0, description="of the shortcut's loss beside the model's"
    )
    tuning_lines: NonNegative = Field(
        default=200,
        description="validation lines on which the end of a run chooses the search's α and β, and fits confidences to"
        " what is right; 0 = never",
    )
    curriculum_epochs: NonNegative = Field(
        default=0, description="first epochs whose batches come by length, short lines first"
    )
    monitor: Literal["cer", "wer", "loss"] = "cer"


ALPHABET = 100  # characters, about; how many they are is known when the lines are read


class RecognitionConfig(EveryRun):
    """A recogniser's whole run."""

    makes: ClassVar[str] = "a recogniser"
    used_by: ClassVar[str] = "recognize"

    task: Literal["recognition"] = "recognition"
    data: LinesConfig = LinesConfig()
    model: RecognitionModelConfig = RecognitionModelConfig()
    train: RecognitionTrainConfig = RecognitionTrainConfig(max_epochs=30)
    search: CTCSearchConfig = CTCSearchConfig()

    def trial(self, run: str) -> str:
        """Of composed lines there are no files that `recognize` could be given; they are scored instead."""
        sources = self.data.test or self.data.validation or self.data.train
        if sources and all(source.kind in COMPOSED for source in sources):
            lines = shlex.join(source.spelled for source in sources)
            return f"nmt evaluate-lines --checkpoint {shlex.quote(run)} --lines {lines} --report worst.html"
        lines = "STROKES.jsonl" if self.model.frontend.kind == "strokes" else "IMAGES"
        return f"nmt {self.used_by} --checkpoint {shlex.quote(run)} {lines}"

    @property
    def training_data(self) -> str:
        """Of pen strokes nothing is embedded, and the digits, which are images, would be refused."""
        if self.model.frontend.kind == "strokes":
            return (
                'DIR/train.jsonl with pen strokes, {"strokes": [[[x, y], ...], ...], "text": "..."} a line, or'
                " pendigits:train:FILE, UCI's digits by pen; data/README.md describes both"
            )
        return "DIR/train (or digits:train)"

    @property
    def outputs(self) -> int:
        """Characters of an alphabet as most scripts have it."""
        return ALPHABET

    @model_validator(mode="after")
    def _shortcut_is_there(self) -> Self:
        if self.train.shortcut_weight and not self.model.shortcut:
            raise ValueError("train.shortcut_weight needs model.shortcut; set it to 0")
        return self
