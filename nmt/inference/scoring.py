"""What models say of given translations: log-probabilities, perplexity, and the score a search would rank them by.

    log P(Y | X) = Σ_t log p(y_t | y_<t, X)      perplexity = exp(-log P(Y | X) / |Y|)

|Y| counts `</s>`. Every target is read whole (teacher forcing), in batches of similar length; logits are made for
`CHUNK_TOKENS` tokens at a time and never kept. A line is scored as it is: none is split, and an empty one is the
sentence of `</s>` alone, so as many scores come out as pairs go in.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.errors import DataError
from nmt.inference.windows import batches
from nmt.models.losses import CHUNK_TOKENS
from nmt.models.masks import padding_mask
from nmt.models.translation import TranslationModel
from nmt.search.penalties import coverage_penalty, length_penalty
from nmt.text.tokenizer import END, PAD, START, Tokenizers

WINDOW: Final = 2048  # pairs that are read ahead and sorted by length


class Pair(NamedTuple):
    """A source line and a translation of it."""

    source: str
    target: str


class PairScore(NamedTuple):
    """What was said of one pair; pieces and token log-probabilities run over the target's tokens and its `</s>`."""

    score: float  # what a search would rank it by: over the length penalty, plus the coverage penalty
    log_probability: float  # the sum of token_log_probabilities, in natural logarithm
    token_log_probabilities: tuple[float, ...]
    pair: Pair | None = None  # none if it was given in ids
    pieces: tuple[str, ...] = ()  # as the vocabulary spells them; none if the pair was given in ids

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-probability of a token; infinite where that is too much for a float."""
        return perplexity(self.log_probability, len(self.token_log_probabilities))


class EncodedPair(NamedTuple):
    """A pair in ids, without `<s>` and `</s>`."""

    source: tuple[int, ...]
    target: tuple[int, ...]


def perplexity(log_probability: float, tokens: int) -> float:
    """exp(-log P / tokens)."""
    try:
        return math.exp(-log_probability / tokens)
    except OverflowError:
        return math.inf


def score_pairs(
    models: Sequence[TranslationModel], tokenizers: Tokenizers, pairs: Iterable[Pair], *, search: SearchConfig
) -> Iterator[PairScore]:
    """Score pairs as they come, in order, in memory that does not grow with their number.

    Several models are combined as `search.ensemble` says; the penalties and the size of batches are those of `search`.
    Repetition penalties, prefixes and other constraints of a search do not count. Raises DataError, naming the longest
    pair, where memory does not suffice.
    """
    stream = iter(pairs)
    first = 1
    while window := list(islice(stream, WINDOW)):
        sources = tokenizers.source.encode_batch([pair.source for pair in window])
        targets = tokenizers.target.encode_batch([pair.target for pair in window])
        encoded = [EncodedPair(tuple(source), tuple(target)) for source, target in zip(sources, targets, strict=True)]
        for pair, ids, score in zip(window, targets, _score_window(models, encoded, search, first), strict=True):
            yield score._replace(pair=pair, pieces=(*tokenizers.target.pieces(ids), "</s>"))
        first += len(window)


def _score_window(
    models: Sequence[TranslationModel], pairs: Sequence[EncodedPair], search: SearchConfig, first: int
) -> list[PairScore]:
    """Scores of pairs in the order given; `first` is the number of the first pair."""
    done: dict[int, PairScore] = {}
    lengths = [max(len(pair.source), len(pair.target)) + 1 for pair in pairs]
    for chosen in batches(lengths, sentences=search.batch_sentences, tokens=search.batch_tokens):
        try:
            scores = score_batch(models, [pairs[index] for index in chosen], search)
        except (MemoryError, RuntimeError) as error:
            if not (isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "not enough memory" in str(error)):
                raise
            raise DataError(
                f"pair {first + chosen[0]}: memory does not suffice for {len(chosen)} pairs of up to"
                f" {lengths[chosen[0]]:,} tokens; lower --batch-tokens, or leave this pair out"
            ) from error
        done.update(zip(chosen, scores, strict=True))
    return [done[index] for index in range(len(pairs))]


@torch.inference_mode()
def score_batch(
    models: Sequence[TranslationModel], pairs: Sequence[EncodedPair], search: SearchConfig
) -> list[PairScore]:
    """Score pairs in ids, all at once. Models are on one device and, if several, share their vocabularies."""
    device = models[0].output.bias.device
    source, source_lengths = _padded([(*pair.source, END) for pair in pairs], device)
    target, lengths = _padded([(*pair.target, END) for pair in pairs], device)
    read, _ = _padded([(START, *pair.target) for pair in pairs], device)
    real = padding_mask(lengths, target.shape[1])
    decoded = [model.decode(read, model.encode(source, source_lengths)) for model in models]
    spoken = _log_probabilities(models, [one.outputs[real] for one in decoded], target[real], search)
    sentences = torch.arange(len(pairs), device=device).repeat_interleave(lengths)
    totals = spoken.new_zeros(len(pairs), dtype=torch.float64).index_add_(0, sentences, spoken.double())
    coverage = torch.stack([(one.attention.float() * real[..., None]).sum(1) for one in decoded]).mean(0)
    within = padding_mask(source_lengths, source.shape[1])
    ranked = totals / length_penalty(lengths, search.length_penalty)
    ranked = ranked + coverage_penalty(coverage, search.coverage_penalty, within)
    values = spoken.split(lengths.tolist())
    return [
        PairScore(score, total, tuple(row.tolist()))
        for score, total, row in zip(ranked.tolist(), totals.tolist(), values, strict=True)
    ]


def _log_probabilities(
    models: Sequence[TranslationModel],
    outputs: Sequence[Float[Tensor, "N _"]],
    targets: Int[Tensor, " N"],
    search: SearchConfig,
) -> Float[Tensor, " N"]:
    """log p of each target token; one chunk of logits is in memory at a time."""
    parts = []
    for begin in range(0, len(targets), CHUNK_TOKENS):
        chunk = slice(begin, begin + CHUNK_TOKENS)
        said = [model.output(one[chunk]).float().log_softmax(-1) for model, one in zip(models, outputs, strict=True)]
        parts.append(_mixed(said, search).gather(1, targets[chunk, None])[:, 0])
    return torch.cat(parts)


def _mixed(said: Sequence[Float[Tensor, "N V"]], search: SearchConfig) -> Float[Tensor, "N V"]:
    """As `nmt.search.combine` mixes an ensemble."""
    if len(said) == 1:
        return said[0]
    if search.ensemble == "linear":
        return torch.logsumexp(torch.stack(list(said)), 0) - math.log(len(said))
    return torch.stack(list(said)).mean(0).log_softmax(-1)


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Int[Tensor, "B T"], Int[Tensor, " B"]]:
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), PAD)
    for place, row in zip(tokens, rows, strict=True):
        place[: len(row)] = torch.tensor(row)
    return tokens.to(device), lengths.to(device)
