"""A lexicon follows its words and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import begins_words, spells_words

from nmt.search.lexicon import BETWEEN, Lexicon

words = st.sets(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple), min_size=1, max_size=5)


@settings(max_examples=50)
@given(words=words, text=st.lists(st.integers(1, 5), max_size=6).map(tuple))
def test_a_text_is_followed_as_long_as_it_begins_words_and_ends_where_it_is_words(
    words: set[tuple[int, ...]], text: tuple[int, ...]
) -> None:
    lexicon = Lexicon(words, {4, 5})
    place: int | None = BETWEEN
    for length, symbol in enumerate(text, start=1):
        place = None if place is None else lexicon.follow(place, symbol)
        assert (place is not None) == begins_words(text[:length], words, {4, 5})
    if place is not None:
        assert lexicon.may_end(place) == spells_words(text, words, {4, 5})


@pytest.mark.parametrize("words", [[], [()], [(1, 4)]], ids=["none", "empty", "separator"])
def test_words_that_cannot_be_are_refused(words: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="word"):
        Lexicon(words, {4})
