"""Every option of a run, once, with its one default.

A configuration is a frozen value; `model_dump(mode="json")` is the plain dictionary that travels in checkpoints.
Lists in YAML become tuples here, so that a configuration can be compared and hashed.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Cell = Literal["lstm", "gru", "rnn", "peephole"]
AttentionKind = Literal["normalized_additive", "additive", "general", "dot", "scaled_dot"]
LoggerKind = Literal["wandb", "csv", "tensorboard", "none"]
Metric = Literal["bleu", "chrf", "loss"]

# Strict: YAML's `true` is no 1, "3" no 3 and 1 no `true`; an integer is a number still.
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
NonNegative = Annotated[int, Field(ge=0, strict=True)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0, strict=True)]


class Frozen(BaseModel):
    """Base of every section: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusSource(Frozen):
    """One place sentence pairs come from.

    `kind="auto"` reads it off `path`: `*.tsv`, `*.jsonl`, `*.parquet` (each also with `.gz`, and as a glob) are tables;
    anything else is the prefix of two text files, `PATH.<source>` and `PATH.<target>` (also with `.gz`).
    `kind="demo"` is the embedded corpus (`path` is `train`, `validation`, `test`, `test_long` or `test_new`);
    `kind="hub"` a Hugging Face dataset id with `subset`, `split` and its columns.
    """

    path: str = Field(min_length=1)
    kind: Literal["auto", "text", "tsv", "jsonl", "parquet", "hub", "demo"] = "auto"
    source_file: str | None = Field(default=None, description="the source side, where it is not PATH.<language>")
    target_file: str | None = Field(default=None, description="the target side, where it is not PATH.<language>")
    source_column: str | None = Field(default=None, description="column of a table; the language code by default")
    target_column: str | None = None
    subset: str | None = Field(default=None, description="configuration of a hub dataset, e.g. de-en")
    split: str = Field(default="train", description="split of a hub dataset")
    revision: str | None = Field(default=None, description="git revision of a hub dataset")
    weight: Number = Field(default=1.0, gt=0.0, le=100.0, description="2.0 shows every pair twice an epoch")


def _as_sources(value: Any) -> Any:
    """A prefix, a mapping or a list of both → a list of mappings."""
    if isinstance(value, (str, dict, CorpusSource)):
        value = [value]
    if isinstance(value, (list, tuple)):
        return [_parse_source(item) if isinstance(item, str) else item for item in value]
    return value


def _parse_source(text: str) -> dict[str, str]:
    """`demo:train` and `hub:owner/name` name their kind; every other string is a path."""
    kind, colon, path = text.partition(":")
    return {"kind": kind, "path": path} if colon and kind in ("demo", "hub") else {"path": text}


Sources = Annotated[tuple[CorpusSource, ...], BeforeValidator(_as_sources)]


class CleaningConfig(Frozen):
    """Which training pairs are dropped; validation and test sets are never touched."""

    max_characters: Count = 2000
    max_tokens: Count = Field(default=200, description="per side, after tokenisation")
    max_length_ratio: Number = Field(default=4.0, gt=1.0, description="longer side / shorter side, in characters")
    drop_copies: Flag = Field(default=True, description="source equals target (of more than three words)")
    drop_duplicates: Flag = True
    drop_test_leakage: Flag = Field(default=True, description="source and target both stand in validation or test")
    on_invalid_utf8: Literal["drop", "error"] = "drop"


class DataConfig(Frozen):
    train: Sources = ()
    validation: Sources = ()
    test: Sources = ()
    source: str = Field(default="en", min_length=1, description="language code of the source side")
    target: str = Field(default="de", min_length=1, description="language code of the target side")
    cleaning: CleaningConfig = CleaningConfig()
    batch_source_tokens: Count = Field(default=1000, description="padded tokens of a batch, source side")
    batch_target_tokens: Count = Field(default=1000, description="padded tokens of a batch, target side")
    batch_sentences: Count = Field(default=512, description="sentences of a batch, at most")
    workers: NonNegative = Field(default=0, description="processes that collate; 0 collates in the training process")
    preparation_processes: NonNegative = Field(default=0, description="processes that tokenise; 0 = one per core")
    cache_dir: str | None = Field(default=None, description="default: $NMT_CACHE or ~/.cache/nmt")
    streaming: Flag = Field(default=False, description="never store the training corpus; tokenise it as it is read")
    streaming_buffer: Count = Field(default=20_000, description="pairs sorted into length buckets at a time")


class TokenizerConfig(Frozen):
    """A SentencePiece model given (`model`, or `source_model` and `target_model`) or trained from the corpus."""

    model: str | None = None
    source_model: str | None = None
    target_model: str | None = None
    kind: Literal["unigram", "bpe"] = "unigram"
    vocabulary_size: Annotated[int, Field(ge=16, le=1_000_000, strict=True)] = 8000
    joint: Flag = True
    byte_fallback: Flag = True
    character_coverage: Number = Field(default=0.9995, gt=0.9, le=1.0)
    user_symbols: tuple[str, ...] = ()
    normalization: Literal["nfc", "nfkc", "none"] = "nfc"
    sampling: Number = Field(
        default=0.0, ge=0.0, description="subword regularisation: unigram α or BPE dropout; 0 = off"
    )
    max_training_lines: Count = 2_000_000

    @model_validator(mode="after")
    def _one_or_two_models(self) -> Self:
        if (self.source_model is None) != (self.target_model is None):
            raise ValueError("give both source_model and target_model, or neither")
        if self.model is not None and self.source_model is not None:
            raise ValueError("give model (joint) or source_model and target_model, not both")
        return self


class DropoutConfig(Frozen):
    """Where units are dropped. `variational` keeps one mask for all positions (Gal & Ghahramani 2016)."""

    input: Probability = Field(default=0.2, description="on the input of every recurrent layer")
    variational: Flag = Field(default=False, description="one mask per sentence for all positions of the input dropout")
    recurrent: Probability = Field(default=0.0, description="on hidden-to-hidden weights (Merity et al. 2018)")
    output: Probability = Field(default=0.0, description="on what the output layer reads")
    token: Probability = Field(default=0.0, description="on whole embedded tokens")


class InitializationConfig(Frozen):
    """Weights: GNMT's uniform in ±scale, or Xavier (Glorot & Bengio 2010) with orthogonal recurrent matrices.

    Embeddings of deviation 1 make attention learn within the first epoch; as small as the other matrices, in the third.
    """

    kind: Literal["uniform", "xavier"] = "uniform"
    scale: Number = Field(default=0.1, gt=0.0, description="half-width of the uniform distribution")
    embedding_std: Number | None = Field(
        default=1.0,
        gt=0.0,
        description="normal embeddings of this deviation; null: like every other matrix; 0.3 with deep_output",
    )
    forget_bias: Number = Field(default=0.0, description="added to the forget gate's bias of LSTM cells")


class ModelConfig(Frozen):
    embedding_size: Count = 256
    hidden_size: Count = 256
    cell: Cell = "lstm"
    encoder_layers: Count = 2
    decoder_layers: Count = 2
    bidirectional_layers: NonNegative = Field(default=1, description="the lowest encoder layers that read both ways")
    bidirectional_size: Count | None = Field(default=None, description="units each way of those; default: hidden_size")
    residual_from: Count = Field(
        default=3, description="first layer, counted from 1, whose input is added to its output"
    )
    attention: AttentionKind = "normalized_additive"
    attention_size: Count | None = Field(default=None, description="default: hidden_size; additive kinds only")
    input_feeding: Flag = Field(default=False, description="feed the last context into the first decoder layer")
    deep_output: Flag = Field(default=False, description="the output layer reads tanh(W [h; c; y]), not h alone")
    initial_state: Literal["zeros", "bridge"] = "zeros"
    tie_embeddings: Literal["none", "target", "all"] = Field(
        default="all", description="target: decoder input and output share one matrix; all: the encoder input too"
    )
    dropout: DropoutConfig = DropoutConfig()
    initialization: InitializationConfig = InitializationConfig()

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if self.bidirectional_layers > self.encoder_layers:
            both, all_layers = self.bidirectional_layers, self.encoder_layers
            raise ValueError(f"bidirectional_layers ({both}) is more than encoder_layers ({all_layers})")
        return self


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


class SearchConfig(Frozen):
    """How a target is chosen; the defaults of `translate` and what validation uses."""

    beam_size: Count = Field(default=5, le=1000)
    length_penalty: Number = Field(default=0.6, ge=0.0, description="α of lp(Y) = ((5 + |Y|) / 6)^α")
    coverage_penalty: Number = Field(default=0.0, ge=0.0, description="β of GNMT eq. 14")
    max_length_ratio: Number = Field(
        default=2.0, gt=0.0, le=1000.0, description="target tokens per source token, at most"
    )
    max_length_offset: NonNegative = Field(default=10, le=1_000_000, description="added to the ratio's limit")
    max_length: Count = Field(default=1000, le=1_000_000, description="target tokens, absolutely")
    min_length: NonNegative = Field(default=0, le=1_000_000)
    batch_sentences: Count = Field(default=64, le=100_000)


class Config(Frozen):
    """A whole run. Everything in a YAML file of `configs/` stands in one of these places."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9._-]+$")
    seed: NonNegative = Field(default=1, le=2**32 - 1)
    logger: LoggerKind = "csv"
    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig(max_epochs=10)
    search: SearchConfig = SearchConfig()

    @model_validator(mode="after")
    def _tying_is_possible(self) -> Self:
        separate = not self.tokenizer.joint or self.tokenizer.source_model is not None
        if self.model.tie_embeddings == "all" and separate:
            raise ValueError("model.tie_embeddings 'all' needs tokenizer.joint; set it to 'target' or 'none'")
        return self

    @model_validator(mode="after")
    def _a_stream_has_no_end(self) -> Self:
        if self.data.streaming and self.train.max_steps is None and self.train.max_minutes is None:
            raise ValueError("data.streaming has no epochs to count; give train.max_steps or train.max_minutes")
        return self
