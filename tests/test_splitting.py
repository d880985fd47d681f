"""Long lines in parts: nothing is lost, no part is too long, and cuts are where a reader would make them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.inference.splitting import join_parts, split_line, split_sentences

TEXTS = st.text(st.sampled_from("ab Zé.!?…,;:。，、「」\"') \t\u2028\u0301\u200d😀1"), max_size=120)


def characters(text: str) -> int:
    """A tokenizer that takes every visible character for a token."""
    return len("".join(text.split()))


@given(line=TEXTS, limit=st.integers(1, 20))
def test_parts_are_the_line_and_each_within_the_limit(line: str, limit: int) -> None:
    parts = split_line(line, limit, count=characters)
    assert "".join("".join(parts).split()) == "".join(line.split())
    assert all(characters(part) <= limit for part in parts)
    assert parts == (line,) if characters(line) <= limit else all(part == part.strip() != "" for part in parts)


@given(line=TEXTS, limit=st.integers(1, 20))
def test_a_tokenizer_that_counts_more_for_the_whole_than_for_its_words_is_obeyed_too(line: str, limit: int) -> None:
    def count(text: str) -> int:
        return characters(text) + len(text) // 4

    for part in split_line(line, limit, count=count):
        assert count(part) <= limit or len(part) == 1 or part == line


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("He said: “Go.” She went. (Really!) Yes.", ["He said: “Go.”", "She went.", "(Really!)", "Yes."]),
        ("Dr. No met Mr. J. S. Bach at 3.14 p.m. on 5. Mai.", ["Dr. No met Mr. J. S. Bach at 3.14 p.m. on 5. Mai."]),
        ("Das ist z. B. ein Satz. Und d. h. noch einer.", ["Das ist z. B. ein Satz.", "Und d. h. noch einer."]),
        ("In 1990. It was … not over... yet. No?! Yes.", ["In 1990.", "It was … not over... yet.", "No?!", "Yes."]),
        ("今日は雨です。「行こう。」と言った！はい", ["今日は雨です。", "「行こう。」", "と言った！", "はい"]),
        ("كيف حالك؟ أنا بخير. यह है। वह है।", ["كيف حالك؟", "أنا بخير.", "यह है।", "वह है।"]),
        ("www.example.com is 1.5 km away.No space", ["www.example.com is 1.5 km away.No space"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(line: str, sentences: list[str]) -> None:
    assert split_sentences(line) == sentences


def test_sentences_stay_alone_and_smaller_units_are_packed() -> None:
    assert split_line("Aa. Bb. Cc.", 6, count=characters) == ("Aa.", "Bb.", "Cc.")
    assert split_line("aa, bb, cc, dd", 6, count=characters) == ("aa, bb,", "cc, dd")
    assert split_line("aa bb cc dd ee", 6, count=characters) == ("aa bb cc", "dd ee")
    assert split_line("abcdefgh", 4, count=characters) == ("abcd", "efgh")
    assert split_line("abcde\u0301\u0301fgh", 6, count=characters) == ("abcd", "e\u0301\u0301fgh")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", [".", ". ", "a", "a ", "a. ", "，", "。", '."'])
def test_hundreds_of_thousands_of_characters_take_no_time_squared(unit: str) -> None:
    line = unit * (100_000 // len(unit))
    parts = split_line(line, 100, count=characters)
    assert "".join("".join(parts).split()) == line.replace(" ", "")


def test_parts_are_joined_with_the_spaces_of_their_script() -> None:
    assert join_parts(["One.", "", "Two."]) == "One. Two."
    assert join_parts(["今日は。", "雨です。"]) == "今日は。雨です。"
    assert join_parts(["今日は", "OK"]) == "今日は OK"
    assert join_parts([]) == ""
