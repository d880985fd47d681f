"""What comes through a translation as it is: alignments made by hand, then generated ones, then any text at all."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.inference.copying import KINDS, Kind, carry_through, left_out
from nmt.text.normalize import normalize


def pieces_of(text: str) -> list[str]:
    """Words, each in pieces of four characters."""
    return [("▁" if at == 0 else "") + word[at : at + 4] for word in text.split() for at in range(0, len(word), 4)]


def copied(source: str, output: str, links: dict[int, int], kinds: tuple[Kind, ...] = KINDS) -> str:
    """Carry through where the pieces of output word j look at all pieces of source word `links[j]`, or at `</s>`."""
    left, right = [*pieces_of(source), "</s>"], [*pieces_of(output), "</s>"]
    left_words, right_words = numbered(left), numbered(right)
    attention = torch.full((len(right), len(left)), 0.001)
    for row, word in enumerate(right_words):
        for column, other in enumerate(left_words):
            if links.get(word, left_words[-1]) == other:
                attention[row, column] = 1.0 + 0.01 * column
    return carry_through(
        source,
        output,
        source_pieces=left,
        output_pieces=right,
        attention=attention / attention.sum(1, True),
        kinds=kinds,
    )


def numbered(pieces: list[str]) -> list[int]:
    numbers, number = [], -1
    for piece in pieces:
        number += piece.startswith("▁") or piece == "</s>"
        numbers.append(number)
    return numbers


STRAIGHT = {place: place for place in range(20)}


@pytest.mark.parametrize(
    ("source", "output", "links", "expected"),
    [
        # garbled, and put back with the punctuation of the output around it
        ("Siehe https://exa.mple/a_b?c=1#d.", "See (htps://exa.ple/a)!", STRAIGHT, "See (https://exa.mple/a_b?c=1#d)!"),
        ("Mail an a.b+c@d-e.org bitte", "mail to a.b@de.org please", STRAIGHT, "mail to a.b+c@d-e.org please"),
        # in several words
        ("Siehe https://exa.mple/a jetzt", "See https : // ex now", {0: 0, 1: 1, 2: 1, 3: 1, 4: 1, 5: 2},
         "See https://exa.mple/a now"),
        # only where it is missing
        ("https://a.b/c und https://a.b/c", "https://a.b/c and this", STRAIGHT, "https://a.b/c and https://a.b/c"),
        ("Nimm {name} und %s", "%s and {name} taken", STRAIGHT, "%s and {name} taken"),
        # marks that belong to it are not doubled
        ("Hallo {name}!", "Hello {nam}!", STRAIGHT, "Hello {name}!"),
        ("Ein <b> altes </b> Haus", "An <b> old </i> house", STRAIGHT, "An <b> old </b> house"),
        ("Setze __TERM__ ein", "Put TERM in", STRAIGHT, "Put __TERM__ in"),
        # numbers: digits count, separators are the language's
        ("Es kostet 1.000,50 Euro", "It costs 1,000.50 euros", STRAIGHT, "It costs 1,000.50 euros"),
        ("Es kostet 1.250 Euro", "It costs €1,520, sir", {0: 0, 1: 1, 2: 2}, "It costs €1.250, sir"),
        ("Im Jahr 1987 war", "In the year was", {0: 0, 1: 1, 2: 1, 3: 3}, "In the year was"),
        ("Er hat 21 Hunde", "He has twenty one dogs", {0: 0, 1: 1, 2: 2, 3: 2, 4: 3}, "He has 21 dogs"),
        # nobody looks: behind what stands before it
        ("Danke 😀 dir", "Thanks you", {0: 0, 1: 2}, "Thanks 😀 you"),
        ("Danke dir. 👍🏽", "Thank you.", {0: 0, 1: 1}, "Thank you. 👍🏽"),
        ("{a} Danke", "Thanks", {0: 1}, "{a} Thanks"),
        # a script without spaces: only the characters that look
        ("Das www.exa.mple hier", "这是 哈 这里", {0: 0, 1: 1, 2: 2}, "这是 www.exa.mple 这里"),
    ],
)  # fmt: skip
def test_examples(source: str, output: str, links: dict[int, int], expected: str) -> None:
    assert copied(source, output, links) == expected


def test_only_the_kinds_asked_for() -> None:
    source, output = "Um 12 😀 www.a.bc/d", "At 13 x y"
    assert copied(source, output, STRAIGHT, ("numbers",)) == "At 12 x y"
    assert copied(source, output, STRAIGHT, ("emoji",)) == "At 13 😀 y"
    assert copied(source, output, STRAIGHT, ("urls",)) == "At 13 x www.a.bc/d"
    assert copied(source, output, STRAIGHT, ()) == output


def test_a_word_that_looks_at_two_things_is_replaced_once() -> None:
    assert copied("{a} {b}", "x", {0: 0}) == "{a} {b}"


def test_what_came_through_is_not_replaced_by_something_else() -> None:
    assert copied("{a} {b}", "{b} x", {0: 0, 1: 2}) == "{a} {b} x"


def test_tags_on_a_word_leave_the_word_alone() -> None:
    source, output = ["▁<b>", "altes", "</b>"], ["▁<b>", "old", "</i>"]
    found = carry_through(
        "<b>altes</b>", "<b>old</i>", source_pieces=source, output_pieces=output, attention=torch.eye(3)
    )
    assert found == "<b>old</b>"


def test_words_that_the_tokenizer_does_not_know() -> None:
    source = ["▁Herr", "▁B", "<unk>", "rn", "</s>"]
    output = ["▁Mr", "▁Bon", "</s>"]
    looks = torch.tensor([[1.0, 0, 0, 0, 0], [0, 0.2, 0.7, 0.1, 0], [0, 0, 0, 0, 1]])
    given = {"source_pieces": source, "output_pieces": output, "attention": looks}
    assert carry_through("Herr Bjørn", "Mr Bon", **given) == "Mr Bjørn"
    assert carry_through("Herr Bjørn", "Mr Bon", **given, kinds=("urls",)) == "Mr Bon"


@pytest.mark.parametrize(
    ("output", "pieces"),
    [("Mr ⁇ !", ["▁Mr", "▁", "<unk>", "!"]), ("Mr \ufffd\ufffd!", ["▁Mr", "▁", "<0xE6>", "<0xE6>", "!"])],
)
def test_what_could_not_be_written_is_the_word_looked_at(output: str, pieces: list[str]) -> None:
    looks = torch.zeros(len(pieces), 2)
    looks[:, 1] = 1.0
    looks[0] = torch.tensor([1.0, 0.0])
    found = carry_through(
        "Herr Xu!", output, source_pieces=["▁Herr", "▁Xu!"], output_pieces=pieces, attention=looks, kinds=("unknown",)
    )
    assert found in ("Mr Xu!", "Mr Xu !")


PLAIN = st.lists(st.sampled_from("der alte Mann geht, (langsam) über die Straße.".split()), min_size=1, max_size=6)
THINGS = st.sampled_from(
    [
        "https://a.bc/d?e=f",
        "me@home.org",
        "12345",
        "1,000.5",
        "😀",
        "🇩🇪",
        "👩‍👩‍👧",
        "{name}",
        "%s",
        "%1$d",
        "<br/>",
        "__X1__",
    ]
)


@settings(max_examples=50, deadline=None)
@given(words=PLAIN, output=st.text(max_size=30), seed=st.integers(0, 99))
def test_where_nothing_is_protected_nothing_is_done(words: list[str], output: str, seed: int) -> None:
    output = normalize(output, "nfc").replace("\ufffd", "").replace("⁇", "")
    left, right = pieces_of(" ".join(words)), pieces_of(output)
    torch.manual_seed(seed)
    attention = torch.rand(len(right), len(left)).softmax(1)
    assert carry_through(
        " ".join(words), output, source_pieces=left, output_pieces=right, attention=attention
    ) == output  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    words=st.lists(st.one_of(THINGS, st.sampled_from(["der", "alte", "Mann"])), min_size=1, max_size=8), data=st.data()
)
def test_with_clean_alignments_everything_protected_comes_through(words: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(words))))
    garbled = {word: f"x{place}x" for place, word in enumerate(sorted({*words}))}
    output = [words[place] if data.draw(st.booleans()) else garbled[words[place]] for place in order]
    found = copied(" ".join(words), " ".join(output), dict(enumerate(order)))
    for word in words:
        if word not in ("der", "alte", "Mann"):
            assert found.split().count(word) == words.count(word)
    assert len(found.split()) == len(words)
    assert [a for a, b in zip(found.split(), output, strict=True) if b in ("der", "alte", "Mann")] == [
        b for b in output if b in ("der", "alte", "Mann")
    ]


@settings(max_examples=80, deadline=None)
@given(source=st.text(max_size=30), output=st.text(max_size=30), things=st.lists(THINGS, max_size=3), data=st.data())
def test_no_text_is_too_strange(source: str, output: str, things: list[str], data: st.DataObject) -> None:
    source = normalize(f"{source} {' '.join(things)}", "nfc")
    output = normalize(output, "nfc")
    left, right = pieces_of(source), [*pieces_of(output), "</s>"]
    torch.manual_seed(data.draw(st.integers(0, 99)))
    attention = torch.rand(len(right), len(left)).mul(9).softmax(1)
    found = carry_through(source, output, source_pieces=left, output_pieces=right, attention=attention)
    assert found == normalize(found, "none") or found == output
    # No more is added than the source has, with a space on either side of each thing.
    assert len(found) <= len(output) + 3 * len(source) + max(1, output.count("\ufffd")) * len(source)


def test_pieces_that_do_not_spell_their_text_change_nothing() -> None:
    given = {"source_pieces": ["▁{a}"], "attention": torch.ones(1, 1)}
    assert carry_through("{a}", "y", output_pieces=["▁z"], **given) == "y"
    assert carry_through("{b}", "y", output_pieces=["▁y"], **given) == "y"
    assert carry_through("{a}", "y", output_pieces=["▁y"], **given) == "{a}"


@pytest.mark.parametrize(
    ("source", "output", "kinds", "expected"),
    [
        ("Um 17 kamen 1,000 und 17", "at 17 came 1.000", KINDS, ["17"]),  # each as often as it is missing
        ("Um 17 kamen 14", "at 14 came 171", KINDS, ["17"]),  # not a part of another
        ("Siehe https://a.b/17 um 17", "See https://a.b/17", KINDS, ["17"]),  # nor of an address
        ("Nimm {name} von a@b.de", "take it", KINDS, ["{name}", "a@b.de"]),
        ("Nimm {name} von 30", "take it", ("numbers",), ["30"]),
        ("3 Hunde, 12 Katzen, 0 Mäuse", "three dogs, twelve cats, no mice", KINDS, []),  # words, which it warned of
        ("7" * 5000, "seven", KINDS, ["7" * 5000]),  # more digits than int() takes
        ("13 um 3:30, 3.5 und 05", "thirteen at half past three", KINDS, ["13", "3:30", "3.5", "05"]),  # seldom words
        ("Der Hund", "the dog", KINDS, []),
    ],
)
def test_what_is_left_out_all_the_same_is_named(
    source: str, output: str, kinds: tuple[Kind, ...], expected: list[str]
) -> None:
    assert left_out(source, output, source_pieces=[*pieces_of(source), "</s>"], kinds=kinds) == expected


def test_what_is_left_out_is_seen_as_the_tokenizer_reads_it() -> None:
    """Of a tokenizer that makes "７７" of NFKC a 77, a 77 is its copy."""
    for pieces, expected in (("▁um ▁77", []), ("▁um ▁７７", ["７７"])):
        assert left_out("um ７７", "at 77", source_pieces=[*pieces.split(), "</s>"]) == expected


@given(st.text("ab7. 1{}", max_size=20), st.text("ab7. 1{}", max_size=20))
def test_a_text_leaves_nothing_of_itself_out(source: str, other: str) -> None:
    pieces = pieces_of(normalize(source, "nfc"))
    assert left_out(source, f"{normalize(source, 'nfc')} {other}", source_pieces=pieces) == []
