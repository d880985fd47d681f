"""Lines of handwriting in, texts out: the object that ships, and what the end of training scores with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from nmt.checkpoint import read_recognition
from nmt.config.recognition import CTCSearchConfig, RecognitionConfig
from nmt.errors import CheckpointError, ConfigError, DataError, RecognitionError
from nmt.inference.device import is_out_of_memory, named_device
from nmt.inference.line_confidence import PLAIN, still_holds
from nmt.inference.line_input import LineInput, LineLike, PenPlace, PixelPlace, line_input
from nmt.inference.line_search import LineSearch
from nmt.inference.recognition import NOTHING, Character, Recognition
from nmt.inference.windows import batches
from nmt.models.recognition import RecognitionModel
from nmt.search.forced_alignment import align
from nmt.search.prefix_beam import LanguageScorer
from nmt.text.alphabet import Alphabet

WINDOW: Final = 256  # lines that are read, sorted by width and recognised before the next are read


class Recognizer:
    """A model with its alphabet and its way to search. Changes nothing in the model and keeps nothing of a call.

    The model must be in evaluation mode.
    """

    def __init__(
        self,
        model: RecognitionModel,
        alphabet: Alphabet,
        config: RecognitionConfig,
        *,
        language_model: bytes | None = None,
        scorer: LanguageScorer | None = None,
    ) -> None:
        """`config` is what the model was built and trained with; `language_model` an ARPA file for `config.search`.

        `scorer` is any other language model over the alphabet's ids, asked instead of that one.
        """
        self.model = model
        self.alphabet = alphabet
        self.config = config
        self.language_model = language_model
        self.scorer = scorer
        self._search = LineSearch(config.search, alphabet, language_model, scorer)
        self._other: tuple[CTCSearchConfig, LineSearch] | None = None

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        search: Mapping[str, Any] | None = None,
        scorer: LanguageScorer | None = None,
        batch_columns: int | None = None,
    ) -> "Recognizer":
        """Read a checkpoint file, or the best one of a run's folder.

        `device` is `auto`, `cpu`, `cuda` or `cuda:N`; `threads` the CPU threads of torch, whole process; `search` holds
        options of `CTCSearchConfig` to be laid over those stored; `scorer` as above. Raises CheckpointError for a file
        that is missing, damaged or a translator's, ConfigError for a device that is not there or an option that does
        not go.
        """
        if threads:
            torch.set_num_threads(threads)
        place = named_device(device)
        checkpoint = read_recognition(path)
        options = with_search(checkpoint.config.search, search or {})
        data = checkpoint.config.data
        if batch_columns is not None:
            data = data.model_copy(update={"batch_columns": batch_columns})
        config = checkpoint.config.model_copy(update={"search": options, "data": data})
        own = None if "language_model" in (search or {}) else checkpoint.language_model
        try:
            model = checkpoint.build().to(place)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        return cls(model, checkpoint.alphabet, config, language_model=own, scorer=scorer)

    @property
    def search(self) -> CTCSearchConfig:
        """How a text is chosen unless a call says otherwise."""
        return self.config.search

    @property
    def has_language_model(self) -> bool:
        """Whether the search can ask one."""
        return self._search.scorer is not None

    def read(self, line: LineLike) -> LineInput:
        """A line as the model sees it; DataError, naming the line, where it cannot be read."""
        return line_input(line, self.config.model.frontend)

    def recognize(
        self,
        lines: Iterable[LineLike | LineInput],
        *,
        search: CTCSearchConfig | None = None,
        alignment: bool = True,
    ) -> list[Recognition]:
        """Read lines, results in the order given, one for each; a line with nothing on it gives "".

        A line is the path of an image, an image of Pillow, an array of bytes (Y, X) or (Y, X, 3), strokes as `Points`,
        a `Recording`, or what `read` made of one. `alignment` finds the characters' boxes. Raises DataError for a line
        that cannot be read, RecognitionError where memory does not suffice.
        """
        return list(self.recognize_stream(lines, search=search, alignment=alignment))

    def recognize_stream(
        self,
        lines: Iterable[LineLike | LineInput],
        *,
        search: CTCSearchConfig | None = None,
        alignment: bool = True,
    ) -> Iterator[Recognition]:
        """The same for lines as they come, in memory that does not grow with their number."""
        chooser = self._searching(search)
        if isinstance(lines, (str, Path)):  # which is iterable too, letter by letter
            raise DataError(f"{lines}: recognize takes a list of lines; give [{str(lines)!r}]")
        source = iter(lines)
        while window := [self._input(line) for line in islice(source, WINDOW)]:
            found = [NOTHING] * len(window)
            for index, log_probs in self._scored(window):
                found[index] = self._recognition(log_probs, window[index].place, chooser, alignment=alignment)
            yield from found

    def _searching(self, search: CTCSearchConfig | None) -> LineSearch:
        """Its own, or the one asked for last, made once: a language model may take seconds to be read."""
        if search is None or search == self.search:
            return self._search
        if self._other is None or self._other[0] != search:
            self._other = (search, LineSearch(search, self.alphabet, self.language_model, self.scorer))
        return self._other[1]

    def frame_scores(self, lines: Iterable[LineLike | LineInput]) -> list[Float[Tensor, "F V"]]:
        """log p(symbol) of every frame of every line, on the CPU; no frame where there is nothing to read."""
        inputs = [self._input(line) for line in lines]
        scores = [torch.zeros(0, len(self.alphabet)) for _ in inputs]
        for index, log_probs in self._scored(inputs):
            scores[index] = log_probs
        return scores

    def _input(self, line: LineLike | LineInput) -> LineInput:
        return line if isinstance(line, LineInput) else self.read(line)

    def _scored(self, inputs: Sequence[LineInput]) -> Iterator[tuple[int, Float[Tensor, "F V"]]]:
        """Index and scores of every line that has something on it, in batches of similar width."""
        filled = [index for index, one in enumerate(inputs) if one.features is not None]
        widths = [inputs[index].columns for index in filled]
        data = self.config.data
        for chosen in batches(widths, sentences=data.batch_lines, tokens=data.batch_columns):
            indices = [filled[place] for place in chosen]
            yield from zip(indices, self._scores([inputs[index] for index in indices]), strict=True)

    def _scores(self, inputs: Sequence[LineInput]) -> list[Float[Tensor, "F V"]]:
        """The scores of one batch, in halves where memory does not suffice for the whole."""
        try:
            return self._forward(inputs)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if len(inputs) == 1:
                raise RecognitionError(
                    f"memory does not suffice for one line of {inputs[0].columns:,} columns; cut it, or use the CPU"
                ) from error
        half = len(inputs) // 2
        return self._scores(inputs[:half]) + self._scores(inputs[half:])

    @torch.inference_mode()
    def _forward(self, inputs: Sequence[LineInput]) -> list[Float[Tensor, "F V"]]:
        features = [torch.from_numpy(one.features) for one in inputs if one.features is not None]
        lengths = torch.tensor([one.shape[2] for one in features])
        padded = features[0].new_zeros(len(features), *features[0].shape[:2], int(lengths.max()))
        for row, one in zip(padded, features, strict=True):
            row[:, :, : one.shape[2]] = one
        device = next(self.model.parameters()).device
        scores = self.model(padded.to(device), lengths.to(device))
        pairs = zip(scores.log_probs.cpu(), scores.lengths.tolist(), strict=True)
        return [log_probs[:frames].clone() for log_probs, frames in pairs]

    def _recognition(
        self, log_probs: Float[Tensor, "F V"], place: PixelPlace | PenPlace, search: LineSearch, *, alignment: bool
    ) -> Recognition:
        nbest = search.readings(log_probs)
        found = Recognition(tuple(nbest))
        return found._replace(characters=self.characters(log_probs, found.text, place)) if alignment else found

    def characters(
        self, log_probs: Float[Tensor, "F V"], text: str, place: PixelPlace | PenPlace
    ) -> tuple[Character, ...]:
        """Where a text's characters stand, by the likeliest path that spells it; none where the frames are too few."""
        ids = self.alphabet.encode(text)
        spans = align(log_probs, ids).spans
        stretches = place.stretches(spans, len(log_probs), stride=self.model.frontend.stride)
        found = []
        for number, (first, end), stretch in zip(ids, spans, stretches, strict=True):
            certain = float(log_probs[first:end, number].max().exp())
            found.append(Character(self.alphabet.symbols[number - 1], place.box(*stretch), certain))
        return tuple(found)


def with_search(search: CTCSearchConfig, overrides: Mapping[str, Any]) -> CTCSearchConfig:
    """Options of a search with others laid over them. Raises ConfigError with one line per problem.

    Confidences that were fitted to other readings than these options lead to become plain ones.
    """
    try:
        laid = CTCSearchConfig(**(search.model_dump() | dict(overrides)))
        return laid if still_holds(search, laid) else laid.model_copy(update={"confidence": PLAIN})
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"search.{problem['loc'][0]} {problem['input']}: {problem['msg']}" for problem in error.errors())
        ) from None
