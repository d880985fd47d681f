"""What trains a recogniser: the CTC loss of a batch, and a validation that reads every line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, distributed

from nmt.checkpoint import recognition_header
from nmt.config.recognition import RecognitionConfig
from nmt.data.batch import RecognitionBatch
from nmt.data.lines.corpus import LineCorpus
from nmt.metrics.error_rate import error_rates
from nmt.models.ctc_loss import CTCSums, ctc_sums
from nmt.models.recognition import RecognitionModel
from nmt.search.ctc import best_path
from nmt.text.alphabet import Alphabet
from nmt.training.keeping.provenance import check_unchanged
from nmt.training.recognition.samples import FramePath, choose_lines, frame_path, sample_lines
from nmt.training.sequence_task import SequenceTask


class Read(NamedTuple):
    """What was read of validation lines, by their positions; of those that are shown, how."""

    texts: dict[int, str]
    paths: dict[int, FramePath]

    def over_ranks(self, world_size: int) -> "Read":
        """Of all ranks together."""
        shares: list[Any] = [self]
        if world_size > 1:
            shares = [None] * world_size
            distributed.all_gather_object(shares, self)
        return Read(*({k: v for share in shares for k, v in share[part].items()} for part in range(2)))


class RecognitionTask(SequenceTask):
    """A RecognitionModel in training."""

    model: RecognitionModel

    def __init__(
        self,
        config: RecognitionConfig,
        model: RecognitionModel,
        alphabet: Alphabet,
        *,
        validation: LineCorpus | None,
        total_steps: int | None,
        language_model: bytes | None = None,
        about: Mapping[str, Any] | None = None,
        name_lines: Callable[[Sequence[int]], str] = str,
    ) -> None:
        """`language_model` (ARPA) goes into checkpoints; the others as for every SequenceTask."""
        super().__init__(config.train, model, total_steps=total_steps, about=about, name_examples=name_lines)
        self.config = config
        self.alphabet = alphabet
        self.validation = validation
        self.language_model = language_model
        self._shown = () if validation is None else _choose(validation)
        self._read = Read({}, {})  # since the validation began

    def training_step(self, batch: RecognitionBatch, index: int) -> Tensor:
        """The sum of the loss over the characters of the lines that can be spelt, with the shortcut's share."""
        scores, shortcut = self.model.with_shortcut(batch.inputs, batch.lengths)
        sums = self._losses(scores.log_probs, scores.lengths, batch)
        loss, weight = sums.loss, self.config.train.shortcut_weight
        noted = {"ctc": sums.loss.detach(), "lost": sums.lost}
        if shortcut is not None:  # with a weight of 0 too: every parameter has a gradient, which DDP waits for
            beside = self._losses(shortcut, scores.lengths, batch).loss
            noted["shortcut"] = beside.detach()
            loss = loss + weight * beside
        characters = sums.characters
        return self.learn_from(noted | {"loss": loss, "characters": characters}, tokens=characters, ids=batch.ids)

    def report(self, sums: dict[str, Tensor]) -> dict[str, Tensor | float]:
        characters = sums["characters"].clamp_min(1)
        values: dict[str, Tensor | float] = {"train/loss": sums["ctc"] / characters, "train/lost_lines": sums["lost"]}
        if "shortcut" in sums:
            values["train/shortcut_loss"] = sums["shortcut"] / characters
        return values

    def validation_step(self, batch: RecognitionBatch, index: int) -> None:
        """Sums of the loss, and the best path's text of every line."""
        log_probs, lengths = self.model(batch.inputs, batch.lengths)
        sums = self._losses(log_probs, lengths, batch)
        self.note_validation({"loss": sums.loss, "characters": sums.characters}, ids=batch.ids)
        for row, (number, ids) in enumerate(zip(batch.ids.tolist(), best_path(log_probs, lengths), strict=True)):
            self._read.texts[number] = self.alphabet.decode(ids)
            if number in self._shown:
                self._read.paths[number] = frame_path(log_probs[row, : int(lengths[row])])

    def validation_scores(self, sums: dict[str, Tensor], *, rank: int, world_size: int) -> Mapping[str, Tensor | float]:
        """CER and WER in per cent, over all lines; those that could not be used count as not read."""
        assert self.validation is not None
        read = self._read.over_ranks(world_size)
        self._read = Read({}, {})
        corpus = self.validation
        bad = [line.text for line in corpus.bad if line.text]
        hypotheses = [*(read.texts[number] for number in range(len(corpus))), *[None] * len(bad)]
        rates = error_rates([*corpus.texts, *bad], hypotheses, resamples=0)
        if rank == 0:
            frontend = self.model.frontend
            kind = self.config.model.frontend.kind
            shown = {number: read.paths[number] for number in self._shown}  # in their own order, however they were read
            self.validation_samples = sample_lines(corpus, shown, kind=kind, stride=frontend.stride)
        return {
            "validation/loss": sums["loss"] / sums["characters"].clamp_min(1),
            "validation/cer": 100.0 * rates.cer,
            "validation/wer": 100.0 * rates.wer,
        }

    def header(self, about: Mapping[str, Any]) -> dict[str, Any]:
        return recognition_header(self.config, self.alphabet, self.language_model, about)

    def check_header(self, header: Mapping[str, Any]) -> None:
        corpora, spelling = self.about.get("corpora"), alphabet_differences(header["alphabet"], self.alphabet)
        check_unchanged(header, corpora=corpora, unit="lines", spelling=spelling, what="lines or the alphabet")

    def _losses(self, log_probs: Tensor, lengths: Tensor, batch: RecognitionBatch) -> CTCSums:
        return ctc_sums(log_probs, lengths, targets=batch.targets, target_lengths=batch.target_lengths)


def alphabet_differences(old: Sequence[str], new: Alphabet) -> list[str]:
    """A sentence where the symbols are not the `old` ones, in their order."""
    if tuple(old) == new.symbols:
        return []
    return [f"alphabet: {len(old)} characters there, {len(new.symbols)} now"]


def _choose(corpus: LineCorpus) -> tuple[int, ...]:
    return choose_lines(corpus.lengths.tolist(), [corpus.writer(position) for position in range(len(corpus))])
