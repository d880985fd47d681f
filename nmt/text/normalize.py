"""Unicode normalisation: the one form in which text is trained on, translated and written.

What is done, in this order, the same in training and inference:

1. characters nobody sees are removed: control characters (NUL, ESC, ...) and format characters (byte order mark,
   zero-width space, soft hyphen, bidirectional marks, tags). Kept are the format characters that change what is read:
   zero-width joiner and non-joiner (Persian, Indic scripts, emoji), signs such as the Arabic end of ayah, and the
   layout controls of hieroglyphs and notation;
2. half of a surrogate pair, which no encoding can write, becomes U+FFFD;
3. the text is brought into NFC or NFKC (Unicode Annex 15), or left as it is;
4. U+2581, with which SentencePiece spells a space, becomes an underscore (U+005F);
5. every run of Unicode white space (tab, no-break space, U+2028, ...) becomes one space; none is left at the ends.
"""

import re
import unicodedata
from typing import Literal

from nmt.errors import ConfigError

Form = Literal["nfc", "nfkc", "none"]

SPACE_SIGN = "\u2581"  # looks like a low line, is SentencePiece's space

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls that are not white space
    "\xad\u061c\u180e"  # soft hyphen, Arabic letter mark, Mongolian vowel separator
    "\u200b\u200e\u200f\u202a-\u202e"  # zero-width space, bidirectional marks and embeddings
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"  # word joiner, isolates, byte order mark, annotations
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"  # musical beams, tags
    "]+"
)
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")
_UNICODE_FORM: dict[Form, Literal["NFC", "NFKC"]] = {"nfc": "NFC", "nfkc": "NFKC"}


def normalize(text: str, form: Form) -> str:
    """One line of text in the form above; a text in that form already comes back unchanged.

    Raises ConfigError for a form that does not exist.
    """
    if form not in ("nfc", "nfkc", "none"):
        raise ConfigError(f"no normalisation {form!r}; choose nfc, nfkc or none")
    if text.isascii() and text.isprintable():
        return single_line(text)
    text = _INVISIBLE.sub("", text)
    text = _HALF_SURROGATE.sub("\ufffd", text)
    if form in _UNICODE_FORM:
        text = unicodedata.normalize(_UNICODE_FORM[form], text)
    return single_line(text.replace(SPACE_SIGN, "_"))


def single_line(text: str) -> str:
    """Every run of white space as one space, none at the ends."""
    return " ".join(text.split())
