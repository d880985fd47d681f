"""How a model is trained: optimiser, schedule, limits, devices."""

from typing import Literal, Self

from pydantic import Field, model_validator

from nmt.config.values import Count, Frozen, NonNegative, Number, Probability

Metric = Literal["bleu", "chrf", "loss"]


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


class TrainConfig(Frozen):
    max_steps: Count | None = None
    max_epochs: Count | None = None
    max_minutes: Number | None = Field(default=None, gt=0.0)
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    label_smoothing: Probability = 0.1
    clip_norm: Number = Field(default=1.0, ge=0.0, description="of the gradient of the mean loss per token; 0 = never")
    accumulate: Count = Field(default=1, description="batches per optimiser step, normalised by their tokens")
    precision: Literal["auto", "32", "bf16"] = Field(default="auto", description="auto: bf16 where it is fast here")
    teacher_forcing: Number = Field(
        default=1.0, ge=0.0, le=1.0, description="share of decoder inputs that are the truth"
    )
    ema_decay: Probability = Field(default=0.0, description="exponential moving average of the weights; 0 = off")
    average_checkpoints: NonNegative = Field(
        default=0, description="average the best N checkpoints at the end; 0 = off"
    )
    validate_every_steps: Count | None = Field(default=None, description="default: once an epoch")
    validation_sentences: Count | None = Field(default=None, description="translate only the first N; default: all")
    validation_beam_size: Count = Field(default=1, description="beam of the translations made while training")
    monitor: Metric = "bleu"
    patience: NonNegative = Field(
        default=0, description="validations without a better score before stopping; 0 = never"
    )
    checkpoint_every_steps: Count | None = Field(default=None, description="default: at every validation")
    keep_last: Count = 2
    keep_best: Count = 1
    log_every_steps: Count = 50
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Count = 1
    num_nodes: Count = 1
    strategy: str = "auto"
    threads: NonNegative = Field(default=0, description="CPU threads for the matrix products; 0 = torch's default")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.max_steps is None and self.max_epochs is None and self.max_minutes is None:
            raise ValueError("give at least one of max_steps, max_epochs, max_minutes")
        return self
