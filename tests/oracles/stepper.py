"""Small worlds in the shape that a search asks: a stepper whose state must be re-ordered with its rows."""

from typing import NamedTuple

import torch

from oracles.worlds import START, VOCABULARY, World


class WorldScores(NamedTuple):
    """The shape of what a stepper says."""

    log_probabilities: torch.Tensor
    attention: torch.Tensor | None


class WorldState(NamedTuple):
    """Which worlds are searched and the words behind each row; None before `<s>` has been read."""

    worlds: list[int]
    prefixes: list[list[tuple[int, ...] | None]]


class WorldStepper:
    """Worlds as a stepper. Its state must be re-ordered, or it answers for the wrong words.

    Positions beyond a world's own are padding; `garbage` is the attention they get, which must not matter.
    """

    vocabulary_size = VOCABULARY

    def __init__(self, worlds: list[World], *, garbage: float = 0.0, gives_attention: bool = True) -> None:
        self.worlds = worlds
        self.garbage = garbage
        self.gives_attention = gives_attention
        self.positions = max((world.positions for world in worlds), default=0)
        self.batches: list[int] = []  # how many sentences each step had

    def start(self) -> WorldState:
        return WorldState(list(range(len(self.worlds))), [[None] for _ in self.worlds])

    def step(self, tokens: torch.Tensor, state: WorldState) -> tuple[WorldScores, WorldState]:
        assert tokens.shape == (len(state.worlds), len(state.prefixes[0]))
        self.batches.append(len(state.worlds))
        prefixes: list[list[tuple[int, ...] | None]] = []
        for old, row in zip(state.prefixes, tokens.tolist(), strict=True):
            assert all((prefix is None) == (token == START) for prefix, token in zip(old, row, strict=True))
            prefixes.append([() if prefix is None else (*prefix, t) for prefix, t in zip(old, row, strict=True)])
        logs, looked = [], []
        for number, rows in zip(state.worlds, prefixes, strict=True):
            world = self.worlds[number]
            padding = [self.garbage] * (self.positions - world.positions)
            said = [world.at(prefix or ()) for prefix in rows]
            logs.append([values for values, _ in said])
            looked.append([[*attention, *padding] for _, attention in said])
        attention = torch.tensor(looked) if self.gives_attention else None
        return WorldScores(torch.tensor(logs), attention), WorldState(state.worlds, prefixes)

    def reorder(self, state: WorldState, sentences: torch.Tensor, rows: torch.Tensor) -> WorldState:
        kept = sentences.tolist()
        assert kept, "nothing left to search"
        assert kept == sorted(set(kept)), "sentences must ascend"
        return WorldState(
            [state.worlds[i] for i in kept],
            [[state.prefixes[i][row] for row in rows[j].tolist()] for j, i in enumerate(kept)],
        )
