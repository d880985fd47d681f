"""Sentences in, translations out: the object that ships, and the one validation decodes with while training."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.checkpoint import Checkpoint, read_checkpoint
from nmt.config.search import SearchConfig
from nmt.errors import CheckpointError, ConfigError, DataError, TranslationError
from nmt.inference.decoding import Request, check_request, decode_batch
from nmt.inference.device import is_out_of_memory, named_device
from nmt.inference.guidance import UNGUIDED, Guidance
from nmt.inference.quantize import Precision, prepare_for_inference
from nmt.inference.splitting import split_line
from nmt.inference.translation import TranslatedHypothesis, Translation, join_translations
from nmt.inference.windows import Source, batches, windows
from nmt.models.translation import TranslationModel
from nmt.search.constrained import missing_phrases
from nmt.search.hypothesis import Hypothesis
from nmt.text.tokenizer import Tokenizers


class _Part(NamedTuple):
    """A line, or one sentence of a long one, ready for the model."""

    line: int  # index among the lines of this call
    text: str
    request: Request
    terms: tuple[str, ...] = ()  # of a glossary, whose ids are the phrases of the request


class Translator:
    """Models with their tokenizers and their way to search. Changes nothing in a model and keeps nothing of a call.

    Several models vote on every token (`search.ensemble` says how); they share their tokenizers.
    """

    def __init__(
        self,
        models: TranslationModel | Sequence[TranslationModel],
        tokenizers: Tokenizers,
        *,
        search: SearchConfig | None = None,
    ) -> None:
        self.models = (models,) if isinstance(models, TranslationModel) else tuple(models)
        self.tokenizers = tokenizers
        self.search = search or SearchConfig()

    @classmethod
    def from_checkpoint(
        cls,
        paths: str | Path | Sequence[str | Path],
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: Precision = "32",
    ) -> "Translator":
        """Read one checkpoint file, or the best one of a run's folder; or several, whose models then vote.

        `device` is `auto`, `cpu`, `cuda` or `cuda:N`; `threads` the CPU threads of torch, whole process; `precision`
        that of the weights, `auto` the fastest of this machine. The search is that of the first checkpoint. Raises
        CheckpointError for a file that is missing, damaged or foreign, or does not go with the first, ConfigError for a
        device or a precision that is not there.
        """
        if threads:
            torch.set_num_threads(threads)
        place = named_device(device)
        names = [paths] if isinstance(paths, (str, Path)) else list(paths)
        if not names:
            raise ConfigError("no checkpoint given; name at least one")
        checkpoints = [read_checkpoint(name) for name in names]
        for name, checkpoint in zip(names[1:], checkpoints[1:], strict=True):
            _check_companion(names[0], checkpoints[0], name, checkpoint)
        models = []
        for name, checkpoint in zip(names, checkpoints, strict=True):
            try:
                models.append(prepare_for_inference(checkpoint.build().to(place), precision))
            except CheckpointError as error:
                raise CheckpointError(f"{name}: {error}") from error
        return cls(models, checkpoints[0].tokenizers, search=checkpoints[0].config.search)

    @property
    def model(self) -> TranslationModel:
        """The model, or the first of several."""
        return self.models[0]

    def translate(
        self,
        sentences: Sequence[str | Source],
        *,
        search: SearchConfig | None = None,
        n_best: int = 1,
        attention: bool = False,
        guidance: Guidance = UNGUIDED,
        first: int = 1,
    ) -> list[Translation]:
        """Translate sentences in batches of similar length; results in the order given, one for each.

        `n_best` candidates each, at most `search.beam_size`; `attention` keeps where each token looked. A sentence of
        more than `search.split_tokens` is split, its parts are translated, and rejoined. `guidance` says what else a
        translation must be. Sampling draws the same for the same text, whatever stands around it; `search.seed` changes
        all draws. `first` is the number of the first sentence, for messages: DataError for a prefix that no translation
        can have, TranslationError where memory does not suffice.
        """
        options = search or self.search
        count = guidance.count(n_best, beam_size=options.beam_size, sampling=options.sampling)
        if count > options.beam_size and not options.sampling:
            what = "n_best" if count == n_best else "candidates"
            raise ConfigError(f"{what} ({count}) is more than beam_size ({options.beam_size}); raise beam_size")
        sources = [Source(sentence) if isinstance(sentence, str) else sentence for sentence in sentences]
        parts = self._parts(sources, options, guidance, first)
        done: list[Translation | None] = [None] * len(parts)
        lengths = [len(part.request.source) + 1 for part in parts]
        for chosen in batches(lengths, sentences=options.batch_sentences, tokens=options.batch_tokens):
            batch = [parts[index] for index in chosen]
            found = self._decode(batch, options, guidance, n_best, attention=attention, first=first)
            for index, translation in zip(chosen, found, strict=True):
                done[index] = translation
        results = [Translation(source.text, ()) for source in sources]
        translated = ((part.line, translation) for part, translation in zip(parts, done, strict=True) if translation)
        for line, pairs in groupby(translated, key=lambda pair: pair[0]):
            results[line] = join_translations(sources[line].text, [translation for _, translation in pairs])
        return results

    def translate_stream(
        self,
        lines: Iterable[str | Source],
        *,
        search: SearchConfig | None = None,
        n_best: int = 1,
        attention: bool = False,
        guidance: Guidance = UNGUIDED,
    ) -> Iterator[Translation]:
        """Translate lines as they come, in order, one result a line, in memory that does not grow with their number.

        The first lines are answered after one batch; `nmt.inference.windows` says how far it reads ahead later.
        """
        sources = (Source(line) if isinstance(line, str) else line for line in lines)
        for window in windows(sources, (search or self.search).batch_sentences):
            yield from self.translate(
                window.lines,
                search=search,
                n_best=n_best,
                attention=attention,
                guidance=guidance,
                first=window.first,
            )

    def _parts(self, sources: Sequence[Source], options: SearchConfig, guidance: Guidance, first: int) -> list[_Part]:
        """What there is to translate: nothing for a line without a word, several parts for a long one."""
        tokenizer = self.tokenizers.source
        parts = []
        for line, (source, ids) in enumerate(
            zip(sources, tokenizer.encode_batch([source.text for source in sources]), strict=True)
        ):
            prefix = tuple(self.tokenizers.target.encode(source.prefix)) if source.prefix else ()
            pieces = [(source.text, ids)]
            if len(ids) > options.split_tokens:
                texts = split_line(source.text, options.split_tokens, count=lambda text: len(tokenizer.encode(text)))
                pieces = [(text, tokenizer.encode(text)) for text in texts]
            for place, (text, ids) in enumerate((text, ids) for text, ids in pieces if ids):
                terms = guidance.terms(text)
                phrases = tuple(tuple(self.tokenizers.target.encode(term)) for term in terms)
                request = Request(tuple(ids), () if place else prefix, phrases)
                try:
                    check_request(request, options)
                except DataError as error:
                    raise DataError(f"line {first + line}: {error}") from None
                parts.append(_Part(line, text, request, terms))
        return parts

    def _decode(
        self,
        parts: Sequence[_Part],
        options: SearchConfig,
        guidance: Guidance,
        n_best: int,
        *,
        attention: bool,
        first: int,
    ) -> list[Translation]:
        """The translations of one batch."""
        requests = [part.request for part in parts]
        count = guidance.count(n_best, beam_size=options.beam_size, sampling=options.sampling)
        look = attention or bool(guidance.copy)
        try:
            found = decode_batch(self.models, requests, options, n_best=count, attention=look)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise TranslationError(_too_large(parts, first)) from error
        translations = (self._readable(part, hypotheses) for part, hypotheses in zip(parts, found, strict=True))
        return [guidance.applied(translation, n_best, sampling=options.sampling) for translation in translations]

    def _readable(self, part: _Part, hypotheses: Sequence[Hypothesis]) -> Translation:
        pieces = (*self.tokenizers.source.pieces(part.request.source), "</s>")
        return Translation(part.text, tuple(self._spelled(one, part, len(pieces)) for one in hypotheses), pieces)

    def _spelled(self, hypothesis: Hypothesis, part: _Part, source_length: int) -> TranslatedHypothesis:
        target = self.tokenizers.target
        attention = hypothesis.attention  # as wide as the longest source of its batch
        return TranslatedHypothesis(
            text=target.decode(hypothesis.tokens),
            score=hypothesis.score,
            log_probability=hypothesis.log_probability,
            pieces=(*target.pieces(hypothesis.tokens), *(("</s>",) if hypothesis.finished else ())),
            token_log_probabilities=hypothesis.token_log_probabilities,
            attentions=() if attention is None else (attention[:, :source_length],),
            finished=hypothesis.finished,
            missing_terms=_missing_terms(hypothesis, part),
        )


def _missing_terms(hypothesis: Hypothesis, part: _Part) -> tuple[str, ...]:
    """The terms of a part that its translation lacks, judged by tokens: a text holds "Rad" where it says "Radio"."""
    names = dict(zip(part.request.phrases, part.terms, strict=True))
    return tuple(names[phrase] for phrase in missing_phrases(hypothesis.tokens, part.request.phrases))


def _check_companion(first: str | Path, one: Checkpoint, name: str | Path, other: Checkpoint) -> None:
    """Raise CheckpointError unless two models read and write the same pieces."""
    for side in ("source", "target"):
        ours, theirs = getattr(one.tokenizers, side), getattr(other.tokenizers, side)
        if ours == theirs:
            continue
        reason = f"{ours.vocabulary_size:,} pieces and {theirs.vocabulary_size:,}"
        if ours.vocabulary_size == theirs.vocabulary_size:
            alike = ours.model == theirs.model
            reason = f"normalization {ours.normalization} and {theirs.normalization}" if alike else "other pieces"
        raise CheckpointError(
            f"{first} and {name}: different {side} tokenizers ({reason}); models that translate together must have been"
            " trained with the same one"
        )


def _too_large(parts: Sequence[_Part], first: int) -> str:
    longest = max(parts, key=lambda part: len(part.request.source))
    return (
        f"line {first + longest.line}: memory does not suffice for a batch of {len(parts)} sentences of up to"
        f" {len(longest.request.source):,} tokens, the longest on this line; lower --batch-tokens or --split-tokens"
    )
