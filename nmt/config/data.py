"""Where sentence pairs come from, which of them are dropped, how they are tokenised and batched."""

from functools import partial
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from nmt.config.values import Count, Flag, Frozen, NonNegative, Number, as_list


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

    @property
    def collection(self) -> tuple[str, ...] | None:
        """What its validation and test sets share with it; None for files of one's own, which do not say."""
        return {"demo": ("demo",), "hub": ("hub", self.path, self.subset or "")}.get(self.kind)


def _parse_source(text: str) -> dict[str, str]:
    """`demo:train` and `hub:owner/name` name their kind; every other string is a path."""
    kind, colon, path = text.partition(":")
    return {"kind": kind, "path": path} if colon and kind in ("demo", "hub") else {"path": text}


Sources = Annotated[tuple[CorpusSource, ...], BeforeValidator(partial(as_list, kind=CorpusSource, parse=_parse_source))]


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
    workers: NonNegative = Field(
        default=0, le=256, description="processes of every rank that make batches; 0 makes them in the training process"
    )
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
