"""What in a text is not translated but copied: addresses, placeholders, numbers, emoji; and what a copy lacks."""

import re
from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple, get_args

Kind = Literal["urls", "numbers", "emoji", "placeholders", "unknown"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WHOLE: Final[tuple[Kind, ...]] = ("urls", "placeholders", "emoji")  # that stand letter by letter as they did
NUMBERS: Final[tuple[Kind, ...]] = ("numbers",)

# A scheme or www., or an e-mail address. Punctuation at its end belongs to the sentence.
_URL: Final = re.compile(
    r"(?<![\w])(?:[a-z][a-z0-9+.-]{1,15}://|www\.)[^\s<>\"“”„«»]*[^\s<>\"“”„«»'’.,;:!?…)\]}]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(
    r"\$?\{\{?[^{}\s]{0,60}\}\}?"  # {name} {0} {} {{x}} ${HOME}
    r"|%(?:\d+\$)?(?:\(\w+\))?[-+#0]*\d*(?:\.\d+)?[sdifgxXeEucr@](?!\w)"  # %s %1$d %(name)s %.2f
    r"|</?[A-Za-z][^<>\s]{0,60}(?:\s[^<>]{0,200})?>"  # <b> </a> <br/> <a href="…">
    r"|__[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*__"  # __X__
    r"|&(?:[A-Za-z]{2,10}|#\d{1,7});"  # &amp;
)
# Digits with separators between them; not a part of a word such as B2, 5pm or COVID-19.
_NUMBER: Final = re.compile(r"(?<!\w)(?<!\w[-'’._])\d+(?:[.,:/'’-]\d+)*(?!\w)")
_NOT_DIGITS: Final = re.compile(r"\D")
_PICTURE: Final = (
    "[\u203c\u2049\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d"
    "\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff]\ufe0f?[\U0001f3fb-\U0001f3ff]?"
)
_EMOJI: Final = re.compile(
    "(?:[\U0001f1e6-\U0001f1ff]{2}"  # flags
    "|[0-9#*]\ufe0f?\u20e3"  # keycaps
    f"|{_PICTURE}(?:\u200d{_PICTURE})*)+"
)
_PATTERNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (  # the earlier one has what both match
    ("urls", _URL),
    ("placeholders", _PLACEHOLDER),
    ("emoji", _EMOJI),
    ("numbers", _NUMBER),
)


class Protected(NamedTuple):
    """A part of a text, from `begin` up to `end`."""

    begin: int
    end: int
    text: str
    kind: Kind


def protected_spans(text: str, kinds: Collection[Kind] = KINDS) -> list[Protected]:
    """What there is of these kinds in a text, from left to right, without overlaps.

    What is of a kind not asked for still hides what it holds: the number within an address is none.
    """
    found: list[Protected] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if all(match.end() <= one.begin or match.start() >= one.end for one in found):
                found.append(Protected(match.start(), match.end(), match[0], kind))
    return sorted(one for one in found if one.kind in kinds)


def alike(protected: Sequence[Protected]) -> list[list[Protected]]:
    """Those that each other's place will do for: of numbers only the digits must agree, "1,000" is "1.000"."""
    groups: dict[str, list[Protected]] = {}
    for one in protected:
        groups.setdefault(_digits(one.text) if one.kind == "numbers" else one.text, []).append(one)
    return list(groups.values())


def places(one: Protected, text: str) -> list[tuple[int, int]]:
    """Where a text has it, or what is alike."""
    if one.kind == "numbers":
        numbers = protected_spans(text, NUMBERS)
        return [(number.begin, number.end) for number in numbers if _digits(number.text) == _digits(one.text)]
    return [match.span() for match in re.finditer(re.escape(one.text), text)]


def missing(source: str, output: str, kinds: Collection[Kind] = KINDS) -> list[Protected]:
    """What of these kinds a source has more often than an output, each as often as it is missing."""
    groups = alike(protected_spans(source, kinds))
    return sorted(one for group in groups for one in group[len(places(group[0], output)) :])


def _digits(number: str) -> str:
    return _NOT_DIGITS.sub("", number)
