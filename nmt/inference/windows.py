"""How far a stream is read ahead, and what is translated together: bounded in lines and characters, always the same.

A *window* is a run of lines that is read, sorted by length, translated and given out before the next one is read. Where
windows of a file begin depends on the lines alone, never on time or on who asks, so that a resumed run, and one on
several processes, translates every line among the same companions. A pipe may be slow, and its sender may wait for an
answer: there a window also ends when no further line comes. A *batch* is what the model sees at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Final, NamedTuple

from nmt.errors import NMTError

WINDOW_BATCHES: Final = 16  # lines of a window, in full batches
WINDOW_CHARACTERS: Final = 200_000  # a window that has so many ends; a single longer line is a window
PATIENCE: Final = 0.2  # seconds that the first line of a window waits for others; those that are there are taken always

Comes = Callable[[float], bool]  # whether another line, or the end, is there by this time of `time.monotonic`


class Source(NamedTuple):
    """One line to be translated, and how its translation must begin ("": as it likes)."""

    text: str
    prefix: str = ""


class Window(NamedTuple):
    """Lines that are translated together; `first` is the number of the first, counted from 1."""

    first: int
    lines: tuple[Source, ...]
    is_awaited: bool = False  # no further line had come: whoever sends them may wait for the answers to these


def never(until: float) -> bool:
    """The `Comes` of someone who types, and waits for the answer to every line."""
    return False


def windows(lines: Iterable[Source], batch_sentences: int, *, comes: Comes | None = None) -> Iterator[Window]:
    """Cut a stream into windows, reading no line more than the one given out next needs.

    The first window is one batch, so that the first answers come early; each is twice as long as the one before, up to
    `WINDOW_BATCHES` batches. One that ends because nothing `comes` is followed by windows from one batch again; a file,
    without `comes`, has none. A NMTError of `lines` comes out after the window of what stood before it.
    """
    size, first, held, characters, until = batch_sentences, 1, list[Source](), 0, 0.0
    source, failure = iter(lines), None
    while True:
        try:
            line = next(source)
        except StopIteration:
            break
        except NMTError as error:  # after the good lines before it have been translated
            failure = error
            break
        if not held:
            until = monotonic() + PATIENCE
        held.append(line)
        characters += len(line.text)
        is_full = len(held) == size or characters >= WINDOW_CHARACTERS
        is_awaited = comes is not None and not comes(0.0 if is_full else until)
        if is_full or is_awaited:
            yield Window(first, tuple(held), is_awaited)
            size = min(2 * size, WINDOW_BATCHES * batch_sentences) if is_full else batch_sentences
            first, held, characters = first + len(held), [], 0
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
