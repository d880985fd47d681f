"""How a model is trained: optimiser, schedule, limits, devices; and what a translator's training has beside that."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from nmt.config.values import Count, Frozen, NonNegative, Number, Probability

# Every score that may decide; each kind of run has some of them.
Metric = Literal["bleu", "chrf", "cer", "wer", "loss"]


class OptimizerConfig(Frozen):
    kind: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Number = Field(default=1e-3, gt=0.0, le=10.0)
    betas: tuple[Probability, Probability] = (0.9, 0.98)
    eps: Number = Field(default=1e-8, gt=0.0)
    weight_decay: Number = Field(default=0.0, ge=0.0)
    momentum: Probability = Field(default=0.0, description="SGD only")


class ScheduleConfig(Frozen):
    """The learning rate as a factor of `optimizer.learning_rate`, after a linear warm-up from 0."""

    kind: Literal["constant", "inverse_root", "linear", "cosine", "plateau", "step"] = "constant"
    warmup_steps: NonNegative = 0
    decay_start: Number = Field(
        default=0.0, ge=0.0, lt=1.0, description="fraction of the run before linear/cosine decay"
    )
    final_factor: Number = Field(default=0.0, ge=0.0, le=1.0, description="where linear and cosine end")
    step_start: Number = Field(
        default=2 / 3, gt=0.0, description="step: first decay, as fraction of the run or as a step"
    )
    step_interval: Number = Field(
        default=1 / 12, gt=0.0, description="step: between decays, fraction of the run or steps"
    )
    step_count: Count = Field(default=4, description="step: how many decays")
    decay_factor: Number = Field(
        default=0.5, gt=0.0, lt=1.0, description="step and plateau: multiplied in at each decay"
    )
    patience: NonNegative = Field(default=2, description="plateau: validations without a better score before a decay")


class TeacherForcingConfig(Frozen):
    """How many of the decoder's inputs are the truth over a run, and what stands in the places of the others.

    A plain number is a constant ratio: `teacher_forcing: 0.8`.
    """

    kind: Literal["constant", "linear", "exponential", "inverse_sigmoid"] = "constant"
    start: Number = Field(default=1.0, ge=0.0, le=1.0, description="ratio of true inputs at first; 1 = all, and free")
    end: Number = Field(default=0.0, ge=0.0, le=1.0, description="ratio that the decay goes to; not for constant")
    unit: Literal["step", "epoch"] = Field(default="step", description="what warmup, length and k count")
    warmup: NonNegative = Field(default=0, description="units at `start` before the decay begins")
    length: Number | None = Field(
        default=None, gt=0.0, description="units of the decay: all of a linear one, all but 1 % or less of the others"
    )
    k: Number | None = Field(
        default=None, gt=0.0, description="instead of length: exponential k^i (k < 1), inverse_sigmoid k/(k+exp(i/k))"
    )
    coin: Literal["token", "sentence", "batch"] = Field(default="token", description="what is true or not as a whole")
    feedback: Literal["argmax", "sample", "gumbel"] = Field(
        default="argmax", description="the word fed back: the best, a draw, or the best after Gumbel noise"
    )
    temperature: Number = Field(default=1.0, ge=0.01, le=100.0, description="sample and gumbel: below 1 more careful")
    top_k: NonNegative = Field(default=0, description="sample and gumbel: among the best N words only; 0 = all")
    method: Literal["parallel", "rollout", "loop"] = Field(
        default="parallel",
        description="whole passes | steps without gradient, then a pass | steps with gradient (slow)",
    )
    passes: Count = Field(default=1, le=100, description="parallel: passes before the one that is trained")

    @classmethod
    def spelled_out(cls, value: Any) -> Any:
        """0.8 → a constant ratio of 0.8, whatever decay there was."""
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"kind": "constant", "start": value, "length": None, "k": None} if plain else value

    @model_validator(mode="before")
    @classmethod
    def _plain_number(cls, value: Any) -> Any:
        return cls.spelled_out(value)

    @model_validator(mode="after")
    def _decay_is_given(self) -> Self:
        if self.kind == "constant" and (self.length, self.k) != (None, None):
            raise ValueError("kind 'constant' takes neither length nor k; give the kind of the decay too")
        if self.kind == "linear" and self.length is None:
            raise ValueError(f"kind 'linear' needs length, the {self.unit}s from start to end")
        if self.kind in ("exponential", "inverse_sigmoid") and (self.length is None) == (self.k is None):
            raise ValueError(f"kind '{self.kind}' needs length (in {self.unit}s) or k, one of them")
        if self.kind == "exponential" and self.k is not None and self.k >= 1.0:
            raise ValueError(f"k must be below 1 for kind 'exponential', got {self.k}")
        if self.kind == "inverse_sigmoid" and self.k is not None and self.k < 1.0:
            raise ValueError(f"k must be at least 1 for kind 'inverse_sigmoid', got {self.k}")
        return self


class RiskConfig(Frozen):
    """Fine-tuning on the expected GLEU of what the model itself says, mixed with the likelihood (GNMT, section 5.2)."""

    samples: NonNegative = Field(
        default=0, le=1000, description="translations drawn of each sentence; 0 = plain training; the paper has 15"
    )
    likelihood_weight: Number = Field(
        default=0.017, ge=0.0, description="α of the likelihood beside a reward of 0 to 1"
    )

    @model_validator(mode="after")
    def _has_a_baseline(self) -> Self:
        if self.samples == 1:
            raise ValueError("samples must be 0 or at least 2: a draw is weighed against the others of its sentence")
        return self


class TrainConfig(Frozen):
    """What the training of every kind of model has."""

    initialize_from: str | None = Field(
        default=None,
        description="run folder or checkpoint: begin with its weights and its tokenizer or alphabet, to fine-tune it",
    )
    max_steps: Count | None = None
    max_epochs: Count | None = None
    max_minutes: Number | None = Field(default=None, gt=0.0)
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    clip_norm: Number = Field(
        default=1.0, ge=0.0, description="of the gradient of the mean loss per target symbol; 0 = never"
    )
    skip_nonfinite: NonNegative = Field(
        default=10, description="steps in a row whose loss or gradient is not finite that are skipped; one more ends it"
    )
    accumulate: Count = Field(default=1, description="batches per optimiser step, normalised by their target symbols")
    precision: Literal["auto", "32", "bf16"] = Field(
        default="auto", description="auto: bf16 where it is measured to be faster; 32: exact, without TF32 too"
    )
    products: Literal["auto", "torch", "onednn"] = Field(
        default="auto", description="what multiplies float32 matrices on a CPU; auto: oneDNN where measured faster"
    )
    ema_decay: Probability = Field(default=0.0, description="exponential moving average of the weights; 0 = off")
    average_checkpoints: NonNegative = Field(
        default=0, description="average the best N checkpoints at the end; 0 = off"
    )
    validate_every_steps: Count | None = Field(default=None, description="default: once an epoch")
    monitor: Metric = Field(default="loss", description="the score by which checkpoints are kept and training stops")
    patience: NonNegative = Field(
        default=0, description="validations without a better score before stopping; 0 = never"
    )
    checkpoint_every_steps: Count | None = Field(default=None, description="default: at every validation")
    keep_last: Count = 2
    keep_best: Count = 1
    log_every_steps: Count = 50
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Count = Field(default=1, le=256, description="processes on every node: GPUs, or shares of a CPU")
    num_nodes: Count = Field(default=1, le=10_000)
    strategy: str = "auto"
    threads: NonNegative = Field(
        default=0,
        le=1024,
        description="CPU threads of the matrix products; 0 = all where measured faster than one, else one",
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.max_steps is None and self.max_epochs is None and self.max_minutes is None:
            raise ValueError("give at least one of max_steps, max_epochs, max_minutes")
        return self


class TranslationTrainConfig(TrainConfig):
    """Beside what every run has: how targets are read and smoothed, and the translations that validation makes."""

    label_smoothing: Probability = 0.1
    teacher_forcing: TeacherForcingConfig = TeacherForcingConfig()
    risk: RiskConfig = RiskConfig()
    validation_sentences: Count | None = Field(default=None, description="translate only the first N; default: all")
    validation_beam_size: Count = Field(default=1, description="beam of the translations made while training")
    monitor: Literal["bleu", "chrf", "loss"] = "bleu"
