"""Scores against sacreBLEU itself and against values worked out by hand."""

import math

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.metrics.bleu import TOKENIZERS, Scores, check_tokenizer, corpus_scores, sentence_scores

REFERENCES = ["The cat sat on the mat.", "It is 3,000 metres high, he said.", "Nobody knows."]
HYPOTHESES = ["the cat sat on a mat.", "It is 3,000 metres high, he says.", ""]


def test_bleu_is_the_formula() -> None:
    # "a b c d e f" against "a b c d e g": precisions 5/6, 4/5, 3/4, 2/3 and no brevity penalty.
    scores = corpus_scores(["a b c d e f"], ["a b c d e g"], tokenize="none")
    expected = 100 * math.exp((math.log(5 / 6) + math.log(4 / 5) + math.log(3 / 4) + math.log(2 / 3)) / 4)
    assert scores.bleu == pytest.approx(expected)


def test_a_short_hypothesis_pays_the_brevity_penalty() -> None:
    scores = corpus_scores(["a b c d"], ["a b c d e f"], tokenize="none")
    assert scores.bleu == pytest.approx(100 * math.exp(1 - 6 / 4))


def test_counts_are_added_over_the_corpus_not_averaged() -> None:
    one = corpus_scores(["a b c d e f g h"], ["a b c d e f g h"], tokenize="none").bleu
    other = corpus_scores(["p q r s"], ["p q x s"], tokenize="none").bleu
    both = corpus_scores(["a b c d e f g h", "p q r s"], ["a b c d e f g h", "p q x s"], tokenize="none").bleu
    precisions = (11 / 12, 8 / 10, 6 / 8, 5 / 6)  # 8 + 3 of 8 + 4, 7 + 1 of 7 + 3, 6 + 0 of 6 + 2, 5 + 0 of 5 + 1
    assert both == pytest.approx(100 * math.exp(sum(map(math.log, precisions)) / 4))
    assert both != pytest.approx((one + other) / 2)


@pytest.mark.parametrize("tokenize", TOKENIZERS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_scores_and_signatures_are_those_of_sacrebleu(tokenize: str, lowercase: bool) -> None:
    ours = corpus_scores(HYPOTHESES, REFERENCES, tokenize=tokenize, lowercase=lowercase, ter=True)
    bleu = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
    chrf = sacrebleu.CHRF(word_order=2, lowercase=lowercase)
    assert ours.bleu == bleu.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert ours.chrf == chrf.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert ours.ter == sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]).score
    assert ours.bleu_signature == str(bleu.get_signature())
    assert f"tok:{tokenize}" in ours.bleu_signature
    assert ("case:lc" if lowercase else "case:mixed") in ours.bleu_signature
    assert "nw:2" in ours.chrf_signature


def test_lowercase_forgives_case() -> None:
    assert corpus_scores(["THE CAT SAT ON"], ["the cat sat on"]).bleu == 0
    assert corpus_scores(["THE CAT SAT ON"], ["the cat sat on"], lowercase=True).bleu == pytest.approx(100)


LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@given(st.lists(LINES, min_size=1, max_size=5))
def test_scores_are_percentages_and_copies_win(references: list[str]) -> None:
    hypotheses = references[1:] + references[:1]
    scores, perfect = corpus_scores(hypotheses, references), corpus_scores(references, references)
    assert 0 <= scores.bleu <= perfect.bleu <= 100 + 1e-9
    assert 0 <= scores.chrf <= perfect.chrf <= 100 + 1e-9


@pytest.mark.parametrize("score", [corpus_scores, sentence_scores])
def test_unequal_numbers_are_refused_with_both(score: object) -> None:
    assert callable(score)
    with pytest.raises(DataError, match=r"2 hypotheses .* 3 references"):
        score(["a", "b"], ["a", "b", "c"])
    with pytest.raises(DataError, match="0 sentences"):
        score([], [])


@pytest.mark.parametrize("name", ["13b", "flores200", "spm", ""])
def test_an_unknown_or_downloading_tokenizer_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"13a, intl, zh, char, none"):
        corpus_scores(["a"], ["a"], tokenize=name)


def test_an_extra_tokenizer_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.metrics.bleu.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"MeCab and ipadic.*pip install 'sacrebleu\[ja\]'"):
        check_tokenizer("ja-mecab")


def test_sentence_scores_rank_sentences_and_short_ones_are_not_zero() -> None:
    scores = sentence_scores(["Nobody knows.", "Nobody asks.", ""], ["Nobody knows."] * 3)
    assert scores[0].bleu == pytest.approx(100)
    assert scores[0].bleu > scores[1].bleu > scores[2].bleu == 0
    assert scores[0].chrf > scores[1].chrf > scores[2].chrf


def test_text_and_json_hold_every_score_with_its_signature() -> None:
    scores = Scores(2, 36.0249, "nrefs:1|tok:13a", 60.0, "nw:2", 51.5, "case:lc")
    assert scores.as_text() == "BLEU    36.02  nrefs:1|tok:13a\nchrF++  60.00  nw:2\nTER     51.50  case:lc"
    assert scores.as_text(["ter"]) == "TER     51.50  case:lc"
    assert scores.as_dict(["bleu"]) == {"sentences": 2, "bleu": {"score": 36.0249, "signature": "nrefs:1|tok:13a"}}
    assert set(Scores(1, 0.0, "", 0.0, "").as_dict()) == {"sentences", "bleu", "chrf"}
