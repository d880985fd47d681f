"""The shape of a model, its dropout and its first weights."""

from typing import Literal, Self

from pydantic import Field, model_validator

from nmt.config.values import Count, Flag, Frozen, NonNegative, Number, Probability

Cell = Literal["lstm", "gru", "rnn", "peephole"]
AttentionKind = Literal["normalized_additive", "additive", "general", "dot", "scaled_dot"]


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

    @model_validator(mode="after")
    def _dot_product_is_possible(self) -> Self:
        both_ways = self.bidirectional_layers == self.encoder_layers
        memory = 2 * (self.bidirectional_size or self.hidden_size) if both_ways else self.hidden_size
        if self.attention in ("dot", "scaled_dot") and memory != self.hidden_size:
            raise ValueError(
                f"attention '{self.attention}' needs the encoder's outputs ({memory}) to be as wide as the decoder's"
                f" ({self.hidden_size}); use 'general', or more encoder_layers than bidirectional_layers"
            )
        return self
