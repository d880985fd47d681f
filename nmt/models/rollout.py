"""Scheduled teacher forcing: a target of which some words are replaced by what the model says there, read three ways.

`truth` says which inputs are true; the others become the word that `choose` takes from the model's own prediction at
the position before (Bengio et al. 2015, arXiv 1506.03099). Ids carry no gradient, so how they were found does not
matter to it, only what they are:

    step_by_step     predicts and reads one token after another, with gradient: the reference, and slow
    roll_out         the same words from steps without gradient, then one pass over the whole target
    parallel_passes  words predicted at all positions at once from the true target, and again from the target so mixed
                     (Duckworth et al. 2019, arXiv 1906.04331; Mihaylova & Martins 2019, arXiv 1906.07651); pass n
                     gets the first n replaced words of a target right, so enough passes make a roll-out

Without dropout and with a deterministic `choose` the first two give equal outputs and equal gradients. With dropout the
steps that are trained also predict with their masks; the other two feed what the model says without dropout, as it
will when it translates.
"""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.models.decoder import Decoded, Memory
from nmt.models.feedback import Choose
from nmt.models.steps import OutputSteps, Steps
from nmt.models.translation import TranslationModel

_ROWS = 4  # sentences leave in such numbers: a product of 7 rows takes longer than one of 8 (MKL, measured)


class Rolled(NamedTuple):
    """What was read, and what the output layer reads at each of its positions, with gradient."""

    inputs: Int[Tensor, "B T"]
    outputs: Float[Tensor, "B T O"]


def step_by_step(
    model: TranslationModel, target: Int[Tensor, "B T"], memory: Memory, *, truth: Bool[Tensor, "B T"], choose: Choose
) -> Rolled:
    """Predict and read one token after another. `truth` is on the CPU; the first column, `<s>`, is always true."""
    columns = list(target.unbind(1))

    def embedded(position: int, before: Decoded | None) -> Tensor:
        rows = (~truth[:, position]).nonzero()[:, 0].to(target.device)
        if before is not None and len(rows):
            with torch.no_grad():
                words = choose(model.output(before.outputs[rows, 0]))
            columns[position] = columns[position].index_put((rows,), words)
        return model.embed_target(columns[position][:, None])

    decoded = model.decoder.unroll(embedded, memory, steps=target.shape[1])
    return Rolled(torch.stack(columns, dim=1), model.output_dropout(decoded.outputs))


def roll_out(
    model: TranslationModel, target: Int[Tensor, "B T"], memory: Memory, *, truth: Bool[Tensor, "B T"], choose: Choose
) -> Rolled:
    """Find the words by steps without gradient, then read all as a whole. `truth` is on the CPU."""
    inputs = target.clone()
    part = _affected(inputs, memory, _replaced(truth))
    if part is not None:
        with torch.inference_mode():
            _replace_stepping(model, part, choose)
        part.put_back(inputs)
    return Rolled(inputs, model.decode(inputs, memory).outputs)


def parallel_passes(
    model: TranslationModel,
    target: Int[Tensor, "B T"],
    memory: Memory,
    *,
    truth: Bool[Tensor, "B T"],
    choose: Choose,
    passes: int = 1,
) -> Rolled:
    """Find the words by `passes` whole passes without gradient, then read all once more. `truth` is on the CPU."""
    replaced = _replaced(truth)
    inputs = target.clone()
    for number in range(1, passes + 1):
        part = _affected(inputs, memory, _in_turn(replaced, number, passes))
        if part is None:
            break
        with without_dropout(model), torch.no_grad():
            rows, positions = torch.cat(part.rows), torch.cat(part.positions)
            embedded = model.target_embedding(part.tokens[:, :-1])
            outputs = model.decoder.forward_at(embedded, part.memory, rows=rows, positions=positions - 1)
            part.tokens[rows, positions] = choose(model.output(outputs))
        part.put_back(inputs)
    return Rolled(inputs, model.decode(inputs, memory).outputs)


def _replaced(truth: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
    replaced = ~truth
    replaced[:, 0] = False
    return replaced


def _in_turn(replaced: Bool[Tensor, "B T"], number: int, passes: int) -> Bool[Tensor, "B T"]:
    """The replaced words that pass `number` of `passes` has to find: the coins alone say which.

    Pass n makes a sentence's first n replaced words those of a roll-out, so they stay. And none of the others reads its
    last one, only the last reads the one before, and so on: the earlier a pass, the fewer of its last words are needed.
    """
    nth = replaced.cumsum(dim=1)
    count = nth[:, -1:]
    still_to_come = count.clamp(max=passes) - number  # a sentence of n replaced words is done after n passes
    return replaced & (nth >= number) & (nth <= count - still_to_come)


class _Affected(NamedTuple):
    """Sentences with a word to find, the one whose last comes latest first, up to the latest of them all."""

    order: Int[Tensor, " b"]  # their places in the batch
    tokens: Int[Tensor, "b t"]
    memory: Memory
    latest: list[int]  # the last position of each that has to be found
    rows: list[Int[Tensor, " n"]]  # whose word at position 0, 1, … has to be found
    positions: list[Int[Tensor, " n"]]  # as `rows`: n times that position

    def put_back(self, target: Int[Tensor, "B T"]) -> None:
        """Write these tokens into their places in the batch."""
        target[self.order, : self.tokens.shape[1]] = self.tokens


def _affected(target: Int[Tensor, "B T"], memory: Memory, wanted: Bool[Tensor, "B T"]) -> _Affected | None:
    """What has to be read to find the wanted words, worked out on the CPU so that no device is waited for."""
    last, order = (wanted * torch.arange(wanted.shape[1])).amax(dim=1).sort(descending=True, stable=True)
    latest = [position for position in last.tolist() if position]
    if not latest:
        return None
    order, width = order[: len(latest)], latest[0] + 1
    wanted = wanted[order, :width]
    positions, rows = (index.to(target.device, non_blocking=True) for index in wanted.T.nonzero().unbind(1))
    each = wanted.sum(dim=0).tolist()
    order = order.to(target.device, non_blocking=True)
    values = memory.values.detach()[order]
    keys = values if memory.keys is memory.values else memory.keys.detach()[order]
    return _Affected(
        order,
        target[order, :width],
        Memory(keys, values, memory.mask[order]),
        latest,
        list(rows.split(each)),
        list(positions.split(each)),
    )


def _replace_stepping(model: TranslationModel, part: _Affected, choose: Choose) -> None:
    """Put into `part.tokens` what the model says, left to right; sentences leave as soon as the rest is true."""
    decoder = Steps(model.decoder, part.memory)
    output = OutputSteps(model.output, sum(len(rows) > 0 for rows in part.rows))
    state = decoder.start()
    for position in range(part.latest[0]):
        going_on = sum(position < last for last in part.latest)
        count = min(len(part.latest), -(-going_on // _ROWS) * _ROWS)
        state = decoder.read(model.target_embedding(part.tokens[:count, position]), state)
        rows = part.rows[position + 1]
        if len(rows):
            part.tokens[rows, position + 1] = choose(output(decoder.outputs(state, rows)))


@contextlib.contextmanager
def without_dropout(model: TranslationModel) -> Iterator[None]:
    """The model as it translates; afterwards every part of it trains or does not as before."""
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True
