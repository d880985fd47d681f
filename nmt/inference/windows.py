"""How far a stream is read ahead, and what is translated together: bounded in lines and characters, always the same.

A *window* is a run of lines that is read, sorted by length, translated and given out before the next one is read. Where
windows begin depends on the lines alone, never on time or on who asks, so that a resumed run, and one on several
processes, translates every line among the same companions. A *batch* is what the model sees at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nmt.errors import NMTError

WINDOW_BATCHES: Final = 16  # lines of a window, in full batches
WINDOW_CHARACTERS: Final = 200_000  # a window that has so many ends; a single longer line is a window


class Source(NamedTuple):
    """One line to be translated, and how its translation must begin ("": as it likes)."""

    text: str
    prefix: str = ""


class Window(NamedTuple):
    """Lines that are translated together; `first` is the number of the first, counted from 1."""

    first: int
    lines: tuple[Source, ...]


def windows(lines: Iterable[Source], batch_sentences: int, *, at_once: bool = False) -> Iterator[Window]:
    """Cut a stream into windows, reading no line more than the one given out next needs.

    The first window is one batch, so that the first answers come early; each is twice as long as the one before, up to
    `WINDOW_BATCHES` batches. `at_once` makes every line a window, for someone who waits for it. A NMTError of `lines`
    comes out after the window of what stood before it.
    """
    size = 1 if at_once else batch_sentences
    first, held, characters = 1, list[Source](), 0
    source, failure = iter(lines), None
    while True:
        try:
            line = next(source)
        except StopIteration:
            break
        except NMTError as error:  # after the good lines before it have been translated
            failure = error
            break
        held.append(line)
        characters += len(line.text)
        if len(held) == size or characters >= WINDOW_CHARACTERS:
            yield Window(first, tuple(held))
            first, held, characters = first + len(held), [], 0
            size = 1 if at_once else min(2 * size, WINDOW_BATCHES * batch_sentences)
    if held:
        yield Window(first, tuple(held))
    if failure is not None:
        raise failure


def batches(lengths: Sequence[int], *, sentences: int, tokens: int) -> Iterator[list[int]]:
    """Indices of sentences in batches, longest first: at most so many sentences, and padded tokens, in each.

    A sentence longer than `tokens` is a batch by itself. Equal lengths stay in order.
    """
    chosen: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        longest = lengths[chosen[0]] if chosen else lengths[index]
        if chosen and (len(chosen) == sentences or longest * (len(chosen) + 1) > tokens):
            yield chosen
            chosen = []
        chosen.append(index)
    if chosen:
        yield chosen
