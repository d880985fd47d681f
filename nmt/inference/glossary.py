"""Which entries of a glossary apply to a source line, and so which phrases its translation must hold.

A source phrase applies where its words stand in the line, whole ones, whatever white space is between them: "art"
does not apply to "party", nor "C" to "C4"; punctuation marks are words of one character, and so are Chinese and
Japanese characters, between which there are no spaces. A phrase in small letters applies to any case ("house" to
"House"), another one only as it is written ("Apple" not to "apple"). From left to right the longest phrase wins, and
what it covers is not looked at again; of two that differ in case only, the one written like the line.
"""

import unicodedata
from collections.abc import Iterable, Iterator

from nmt.errors import ConfigError
from nmt.inference.splitting import is_unspaced
from nmt.text.normalize import normalize


class Glossary:
    """Source phrases and what each must be translated as. Changes never; safe to share.

    Iterating gives the (source, target) pairs.
    """

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        """ConfigError for an entry with an empty side, or two different targets of one source phrase."""
        self._targets: dict[tuple[str, ...], str] = {}
        self._entries = tuple((normalize(source, "nfc"), normalize(target, "nfc")) for source, target in entries)
        for source, target in self._entries:
            if not source or not target:
                raise ConfigError(f"glossary: {source!r} → {target!r} has an empty side; give both, or leave it out")
            other = self._targets.setdefault(_words(source), target)
            if other != target:
                raise ConfigError(f"glossary: {source!r} is to become both {other!r} and {target!r}; leave one out")
        self._longest = max(map(len, self._targets), default=0)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._entries)

    def required(self, line: str) -> tuple[str, ...]:
        """The target phrases for a line, in the order of their source phrases, one for every occurrence.

        The caller encodes each with the target tokenizer; the ids are one of `Request.phrases`.
        """
        words, found, begin = _words(normalize(line, "nfc")), list[str](), 0
        lowered = tuple(word.lower() for word in words)
        while begin < len(words):
            for end in range(min(len(words), begin + self._longest), begin, -1):
                target = self._targets.get(words[begin:end]) or self._targets.get(lowered[begin:end])
                if target is not None:
                    found.append(target)
                    begin = end
                    break
            else:
                begin += 1
        return tuple(found)


def _words(text: str) -> tuple[str, ...]:
    """Runs of letters, their marks, digits and low lines; every other character that is no space by itself."""
    words, within = list[str](), False
    for character in text:
        joins = (unicodedata.category(character)[0] in "LMN" or character == "_") and not is_unspaced(character)
        if joins and within:
            words[-1] += character
        elif not character.isspace():
            words.append(character)
        within = joins
    return tuple(words)
