"""Swapped sides of a test set are noticed by the words; a translator that is only bad is not."""

import random

from nmt.data.demo.corpus import generate
from nmt.metrics.sides import EVIDENCE, are_in_source_language

GERMAN, ENGLISH = map(list, zip(*generate("validation")[:200], strict=True))


def garbled(lines: list[str], share: float) -> list[str]:
    """With so many words shuffled into words that there are not, as a translator makes them of a strange language."""
    draw = random.Random(1)
    return [
        " ".join("".join(draw.sample(word, len(word))) if draw.random() < share else word for word in line.split())
        for line in lines
    ]


def test_translations_in_the_language_of_their_sources_are_noticed() -> None:
    """`--source test.de --reference test.en` for a translator from English scored 0.04 BLEU without a word."""
    assert are_in_source_language(garbled(GERMAN, 0.5), GERMAN, [ENGLISH])
    assert are_in_source_language(ENGLISH, ENGLISH, [GERMAN[::-1], GERMAN])


def test_a_bad_translator_is_only_bad() -> None:
    frequent = ["der die das und in"] * 200  # what is learnt first
    other_lines = GERMAN[::-1]  # fluent, and of other sentences
    for hypotheses in (frequent, other_lines, garbled(GERMAN, 0.9), [""] * 200, ["."] * 200, ["a a a"] * 200, GERMAN):
        assert not are_in_source_language(hypotheses, ENGLISH, [GERMAN])


def test_names_that_stay_what_they_are_prove_nothing() -> None:
    names = [f"name{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    assert not are_in_source_language(names, names, [names])


def test_languages_that_share_half_their_words_are_told_apart_by_what_most_words_are() -> None:
    shared = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    own = [f"eigen{letter}" for letter in "abcdefghijklmnopqrst"]
    sources, references = [*shared, *own], [*shared, *(word[::-1] for word in own)]
    assert are_in_source_language(own, sources, [references])
    assert not are_in_source_language([*shared, *own[:12]], sources, [references])  # names that came through


def test_one_word_said_over_and_over_is_no_language() -> None:
    shared = [f"word{letter}" for letter in "abcdefghijkl"]
    assert not are_in_source_language([*shared, *["eigen"] * 100], [*shared, "eigen"], [shared])


def test_what_is_mostly_in_no_language_is_in_neither() -> None:
    words = [f"eigen{letter}" for letter in "abcdefghijkl"]
    assert not are_in_source_language([*words, *["nichts"] * 40], words, [["anderes"]])


def test_few_words_prove_nothing_and_signs_of_chinese_are_words() -> None:
    signs = [chr(0x4E00 + number) for number in range(EVIDENCE)]
    assert are_in_source_language(["".join(signs)], ["".join(signs)], [["others"]])
    assert not are_in_source_language(["".join(signs[1:])], ["".join(signs[1:])], [["others"]])
