"""Sentences in, translations out: the object that ships, and the one validation decodes with while training."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.checkpoint import read_checkpoint
from nmt.config.search import SearchConfig
from nmt.errors import CheckpointError, ConfigError
from nmt.inference.decoding import Request, decode_batch
from nmt.models.translation import TranslationModel
from nmt.search.hypothesis import Hypothesis
from nmt.text.tokenizer import Tokenizers

WINDOW_BATCHES = 16  # lines read ahead by `translate_stream` and sorted by length, in batches


class TranslatedHypothesis(NamedTuple):
    """One candidate. `pieces` and the rows of `attention` include `</s>` where the search reached it."""

    text: str
    score: float  # what candidates are ranked by: log-probability over length penalty, plus coverage penalty
    log_probability: float
    pieces: tuple[str, ...]
    token_log_probabilities: tuple[float, ...]
    attention: Float[Tensor, "T S"] | None
    finished: bool  # False where the maximum length cut it


class Translation(NamedTuple):
    """What became of one line: candidates, best first; none for a line without a word."""

    source: str
    hypotheses: tuple[TranslatedHypothesis, ...]
    source_pieces: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The best translation, or "" for an empty line."""
        return self.hypotheses[0].text if self.hypotheses else ""


class Translator:
    """A model with its tokenizers and its way to search. Changes nothing in the model and keeps nothing of a call."""

    def __init__(self, model: TranslationModel, tokenizers: Tokenizers, *, search: SearchConfig | None = None) -> None:
        self.model = model
        self.tokenizers = tokenizers
        self.search = search or SearchConfig()

    @classmethod
    def from_checkpoint(cls, path: str | Path, *, device: str = "auto", threads: int | None = None) -> "Translator":
        """Read a checkpoint file, or the best one of a run's folder.

        `device` is `auto`, `cpu`, `cuda` or `cuda:N`; `threads` the CPU threads of torch, whole process. Raises
        CheckpointError for a file that is missing, damaged or foreign, ConfigError for a device that is not there.
        """
        if threads:
            torch.set_num_threads(threads)
        place = _device(device)
        checkpoint = read_checkpoint(path)
        try:
            model = checkpoint.build()
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        return cls(model.to(place), checkpoint.tokenizers, search=checkpoint.config.search)

    def translate(
        self, sentences: Sequence[str], *, search: SearchConfig | None = None, n_best: int = 1, attention: bool = False
    ) -> list[Translation]:
        """Translate sentences in batches of similar length; results in the order given, one for each.

        `n_best` candidates each, at most `search.beam_size`; `attention` keeps where each token looked.
        """
        options = search or self.search
        if n_best > options.beam_size:
            raise ConfigError(f"n_best ({n_best}) is more than beam_size ({options.beam_size}); raise beam_size")
        encoded = self.tokenizers.source.encode_batch(list(sentences))
        results = [Translation(sentence, ()) for sentence in sentences]
        order = sorted((i for i, ids in enumerate(encoded) if ids), key=lambda i: -len(encoded[i]))
        for begin in range(0, len(order), options.batch_sentences):
            chosen = order[begin : begin + options.batch_sentences]
            requests = [Request(tuple(encoded[i])) for i in chosen]
            found = decode_batch([self.model], requests, options, n_best=n_best, attention=attention)
            for i, hypotheses in zip(chosen, found, strict=True):
                pieces = (*self.tokenizers.source.pieces(encoded[i]), "</s>")
                candidates = tuple(self._readable(hypothesis, len(pieces)) for hypothesis in hypotheses)
                results[i] = Translation(sentences[i], candidates, pieces)
        return results

    def translate_stream(
        self, lines: Iterable[str], *, search: SearchConfig | None = None, n_best: int = 1, attention: bool = False
    ) -> Iterator[Translation]:
        """Translate lines as they come, in order, one result a line, in memory that does not grow with their number.

        The first lines are answered after one batch; later ones are sorted by length over `WINDOW_BATCHES` batches.
        """
        batch = (search or self.search).batch_sentences
        source = iter(lines)
        size = batch
        while window := list(islice(source, size)):
            yield from self.translate(window, search=search, n_best=n_best, attention=attention)
            size = min(2 * size, WINDOW_BATCHES * batch)

    def _readable(self, hypothesis: Hypothesis, source_length: int) -> TranslatedHypothesis:
        target = self.tokenizers.target
        attention = hypothesis.attention  # as wide as the longest source of its batch
        return TranslatedHypothesis(
            text=target.decode(hypothesis.tokens),
            score=hypothesis.score,
            log_probability=hypothesis.log_probability,
            pieces=(*target.pieces(hypothesis.tokens), *(("</s>",) if hypothesis.finished else ())),
            token_log_probabilities=hypothesis.token_log_probabilities,
            attention=None if attention is None else attention[:, :source_length],
            finished=hypothesis.finished,
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device '{name}' is unknown; use auto, cpu, cuda or cuda:0") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device '{name}' is none this model runs on; use auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device '{name}' asked for, but torch {torch.__version__} finds no CUDA device here; use cpu"
        )
    return device
