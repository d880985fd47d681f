"""How a target is chosen."""

from typing import Literal, Self

from pydantic import Field, model_validator

from nmt.config.values import Count, Flag, Frozen, NonNegative, Number


class SearchConfig(Frozen):
    """How a target is chosen; the defaults of `translate` and what validation uses."""

    beam_size: Count = Field(default=5, le=1000)
    diverse_beam_groups: Count = Field(
        default=1, le=1000, description="parts of the beam that differ in their words; they divide beam_size; 1 is off"
    )
    diverse_beam_strength: Number = Field(
        default=0.5, ge=0.0, le=1000.0, description="λ: what a token costs for each hypothesis of an earlier group"
    )
    length_penalty: Number = Field(default=0.6, ge=0.0, description="α of lp(Y) = ((5 + |Y|) / 6)^α")
    coverage_penalty: Number = Field(default=0.0, ge=0.0, description="β of GNMT eq. 14")
    max_length_ratio: Number = Field(
        default=2.0, gt=0.0, le=1000.0, description="target tokens per source token, at most"
    )
    max_length_offset: NonNegative = Field(default=10, le=1_000_000, description="added to the ratio's limit")
    max_length: Count = Field(default=1000, le=1_000_000, description="target tokens, absolutely")
    min_length: NonNegative = Field(default=0, le=1_000_000, description="target tokens, absolutely")
    min_length_ratio: Number = Field(
        default=0.0, ge=0.0, le=1000.0, description="target tokens per source token, at least"
    )
    no_repeat_ngram: NonNegative = Field(
        default=0, le=1000, description="no n-gram of so many tokens twice in a translation; 0 allows all"
    )
    repetition_penalty: Number = Field(
        default=1.0, ge=1.0, le=1000.0, description="θ: log p of a token that was said becomes θ · log p; 1 is off"
    )
    sampling: Flag = Field(default=False, description="draw at random instead of searching; no beam, no penalty")
    temperature: Number = Field(
        default=1.0, ge=0.01, le=100.0, description="of sampling: log p is divided by it; below 1 is surer"
    )
    top_k: NonNegative = Field(
        default=0, le=1_000_000, description="of sampling: the K most probable tokens only; 0 is all"
    )
    top_p: Number = Field(
        default=1.0, gt=0.0, le=1.0, description="of sampling: the fewest most probable tokens of so much probability"
    )
    seed: NonNegative = Field(
        default=1, le=2**63 - 1, description="of sampling: what the line says, draw and seed decide what is drawn"
    )
    ensemble: Literal["log_linear", "linear"] = Field(
        default="log_linear",
        description="of several models: mean of log-probabilities, renormalised, or of probabilities",
    )
    batch_sentences: Count = Field(default=64, le=100_000)
    batch_tokens: Count = Field(
        default=4096, le=100_000_000, description="padded source tokens of a batch; one longer sentence goes alone"
    )
    split_tokens: int = Field(
        default=200,
        strict=True,
        ge=8,
        le=1_000_000,
        description="a longer source line is split into sentences, and rejoined",
    )

    @model_validator(mode="after")
    def _groups_are_equal(self) -> Self:
        size, groups = self.beam_size, self.diverse_beam_groups
        if size % groups:
            raise ValueError(
                f"diverse_beam_groups ({groups}) must divide beam_size ({size}) into equal groups; take a beam_size of"
                f" {size + -size % groups}, or 1 group"
            )
        return self
