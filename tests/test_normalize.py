"""Normalisation: what is removed, what is kept, and that doing it twice changes nothing."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError
from nmt.text.normalize import Form, normalize

FORMS: tuple[Form, ...] = ("nfc", "nfkc", "none")

# Format characters that a reader sees, or that change the shape of what he sees.
VISIBLE_FORMAT = {
    *range(0x0600, 0x0606),
    *(0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD),
    *(0x200C, 0x200D),
    *range(0x13430, 0x13440),
    *range(0x1BCA0, 0x1BCA4),
}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("cafe\u0301", "café"),
        ("\ufeffHallo Welt", "Hallo Welt"),
        ("Schiff\u00adfahrt", "Schifffahrt"),
        ("a\u200bb", "ab"),
        ("e\u200b\u0301", "é"),  # removed first, composed afterwards
        ("nul\x00l", "null"),
        ("  a \t b\u00a0c\u2028d\r\ne  ", "a b c d e"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("a\u2581b", "a_b"),
        ("\ud800x", "\ufffdx"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_one_form_of_a_text(raw: str, expected: str) -> None:
    assert normalize(raw, "nfc") == expected


def test_only_nfkc_folds_compatibility_characters() -> None:
    assert normalize("ﬁ Ｈ２Ｏ ①", "nfkc") == "fi H2O 1"
    assert normalize("ﬁ Ｈ２Ｏ ①", "nfc") == "ﬁ Ｈ２Ｏ ①"
    assert normalize("e\u0301", "none") == "e\u0301"


def test_every_invisible_character_of_unicode_is_removed_and_no_other() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cc", "Cf") and not character.isspace() and code not in VISIBLE_FORMAT:
            assert normalize(f"a{character}b", "none") == "ab", hex(code)
        elif category != "Cs" and not character.isspace() and code != 0x2581:
            assert normalize(f"a{character}b", "none") == f"a{character}b", hex(code)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="nfd"):
        normalize("a", "nfd")


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(FORMS))
def test_normalizing_twice_is_normalizing_once(text: str, form: Form) -> None:
    once = normalize(text, form)
    assert normalize(once, form) == once
    assert once == once.strip()
    assert "  " not in once
    assert not any(c.isspace() and c != " " for c in once)
    once.encode("utf-8")  # no half surrogate is left


@given(st.text())
def test_words_without_invisible_characters_are_only_composed(text: str) -> None:
    if any(unicodedata.category(c) in ("Cc", "Cf") or c == "\u2581" for c in text):
        return
    assert normalize(text, "nfc").split() == unicodedata.normalize("NFC", text).split()
