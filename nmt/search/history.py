"""What a beam search remembers of its steps, and how hypotheses are read off it backwards once it is over.

Nothing is copied while the search runs: a step keeps its candidates and which of them lived on, so the way back leads
from a candidate to the row of the beam it continued, and from that row to the candidate of the step before.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.search.selection import Candidates

_STEP = 1 << 32  # more than a step has candidates


class Step(NamedTuple):
    """One step of b of B sentences, from K rows of the beam over C candidates to k rows."""

    sentences: Int[Tensor, " b"]
    candidates: Candidates  # their rows are those of the beam before the step
    survivors: Int[Tensor, "b k"]  # which candidates are the rows of the beam after the step
    attention: Float[Tensor, "b K S"] | None  # by rows of the beam before the step


class Path(NamedTuple):
    """One hypothesis, step by step."""

    sentence: int
    score: float
    tokens: list[int]
    log_probabilities: list[float]
    rows: list[int]  # of the beam before each step


class _Columns(NamedTuple):
    """A `Step` as lists, which are quicker to walk than tensors."""

    slots: dict[int, int]  # where a sentence is among those of the step
    rows: list[list[int]]
    tokens: list[list[int]]
    log_probabilities: list[list[float]]
    survivors: list[list[int]]


def place(step: int, candidate: int) -> int:
    """Where a hypothesis ends, as one number: the index of a step and the candidate in it."""
    return step * _STEP + candidate


def read_paths(history: list[Step], scores: list[list[float]], places: list[list[int]]) -> list[Path]:
    """The hypotheses that end at `places`, sentence by sentence in the order given; those of score -inf are none."""
    columns = [_as_columns(step) for step in history]
    return [
        _read_path(columns, sentence, score, end)
        for sentence, ends in enumerate(zip(scores, places, strict=True))
        for score, end in zip(*ends, strict=True)
        if not math.isinf(score)
    ]


def _as_columns(step: Step) -> _Columns:
    candidates = step.candidates
    return _Columns(
        {sentence: slot for slot, sentence in enumerate(step.sentences.tolist())},
        candidates.rows.tolist(),
        candidates.tokens.tolist(),
        candidates.token_log_probabilities.tolist(),
        step.survivors.tolist(),
    )


def _read_path(columns: list[_Columns], sentence: int, score: float, end: int) -> Path:
    last, candidate = divmod(end, _STEP)
    path = Path(sentence, score, [], [], [])
    for index in range(last, -1, -1):
        step = columns[index]
        slot = step.slots[sentence]
        row = step.rows[slot][candidate]
        path.tokens.append(step.tokens[slot][candidate])
        path.log_probabilities.append(step.log_probabilities[slot][candidate])
        path.rows.append(row)
        if index > 0:
            before = columns[index - 1]
            candidate = before.survivors[before.slots[sentence]][row]
    for values in (path.tokens, path.log_probabilities, path.rows):
        values.reverse()
    return path


def path_attention(
    history: list[Step], paths: list[Path], source_lengths: Int[Tensor, " B"] | None
) -> list[Tensor | None]:
    """The attention (T × S) of each hypothesis, on the CPU, cut to its source's length; None where none was kept."""
    if not paths or history[0].attention is None:
        return [None] * len(paths)
    first = history[0].attention
    length = max(len(path.rows) for path in paths)
    looked = first.new_zeros(len(paths), length, first.shape[2])
    for index in range(length):
        step = history[index]
        slots = {sentence: slot for slot, sentence in enumerate(step.sentences.tolist())}
        members = [number for number, path in enumerate(paths) if len(path.rows) > index]
        at = torch.tensor([slots[paths[number].sentence] for number in members], device=first.device)
        rows = torch.tensor([paths[number].rows[index] for number in members], device=first.device)
        assert step.attention is not None  # a stepper gives attention always or never
        looked[torch.tensor(members, device=first.device), index] = step.attention[at, rows]
    looked = looked.float().cpu()
    widths = None if source_lengths is None else source_lengths.tolist()
    return [
        looked[number, : len(path.rows), : None if widths is None else widths[path.sentence]].clone()
        for number, path in enumerate(paths)
    ]
