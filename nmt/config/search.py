"""How a target is chosen."""

from pydantic import Field

from nmt.config.values import Count, Frozen, NonNegative, Number


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
