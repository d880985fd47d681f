"""Which terms apply to which lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import ConfigError
from nmt.inference.glossary import Glossary

GLOSSARY = Glossary(
    [
        ("haus", "building"),
        ("rotes haus", "crimson  building"),
        ("haus am see", "lake house"),
        ("Apple", "Apple Inc."),
        ("US", "United States"),
        ("us", "ourselves"),
        ("C++", "C++ language"),
        ("电脑", "computer"),
        ("हिन्दी", "Hindi"),
    ]
)


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("Das Haus ist ein HAUS.", ("building", "building")),  # small letters apply to any case
        ("Ein rotes\u00a0 Haus, ein Haus", ("crimson building", "building")),  # the longest, and what it covers is gone
        ("Haus am See, Haus am Meer", ("lake house", "building")),
        ("Rathaus, haus_tür, haus2", ()),  # whole words
        ("(haus)-Haus", ("building", "building")),
        ("apple APPLE Apple", ("Apple Inc.",)),
        ("US us Us", ("United States", "ourselves", "ourselves")),  # as written before any case
        ("C ++ and C", ("C++ language",)),
        ("我的电脑。", ("computer",)),  # no spaces to be found
        ("हिन्दीx हिन्दी", ("Hindi",)),  # marks belong to their letters
        ("rotes", ()),
        ("", ()),
    ],
)
def test_terms_of_a_line(line: str, terms: tuple[str, ...]) -> None:
    assert GLOSSARY.required(line) == terms


def test_composed_and_decomposed_are_the_same() -> None:
    assert Glossary([("cafe\u0301", "coffee")]).required("Caf\u00e9") == ("coffee",)


@settings(max_examples=60, deadline=None)
@given(line=st.text(max_size=30), entries=st.dictionaries(st.text(min_size=1, max_size=4), st.just("x"), max_size=5))
def test_no_text_is_too_strange(line: str, entries: dict[str, str]) -> None:
    usable = [(source, target) for source, target in entries.items() if source.strip().isprintable() and source.strip()]
    glossary = Glossary(usable)
    assert set(glossary.required(line)) <= {"x"}
    for source, _ in usable:
        assert glossary.required(source) == ("x",)  # an entry applies to itself


@pytest.mark.parametrize(
    ("entries", "message"),
    [([("a", " ")], "empty side"), ([("\t", "b")], "empty side"), ([("a", "b"), ("a ", "c")], "both 'b' and 'c'")],
)
def test_entries_that_are_none(entries: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Glossary(entries)


def test_an_entry_given_twice_is_one() -> None:
    assert Glossary([("a", "b"), ("a", "b")]).required("A a") == ("b", "b")
    assert list(Glossary([])) == []
