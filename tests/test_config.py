"""Configurations: found, read, overridden, explained, and written so that they are read as the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.data import CorpusSource
from nmt.config.document import plain_value, read_document, write_document
from nmt.config.find import available_configs, describe, find_config, task_of
from nmt.config.lines import LinesConfig, LineSource
from nmt.config.load import dump_yaml, load_config, parse_overrides
from nmt.config.options import FAMILIAR, Option, item_of, nearest, options, takes_corpora
from nmt.config.recognition import RecognitionConfig
from nmt.config.schema import ROOTS, Config, Root, check_validation
from nmt.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_config(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_config


def complaint(path: Path | str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


# --- the files of configs/


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_loads_and_says_what_it_is(path: Path) -> None:
    config = load_config(path.stem)
    assert config.name == path.stem
    assert config.task == task_of(path)
    assert describe(path)
    assert "--data.train DIR/train" in path.read_text(encoding="utf-8")
    local = load_config(path, ["--data.train", "DIR/train", "--data.test=DIR/test"])
    assert local.data.train == (
        {"translation": CorpusSource, "recognition": LineSource}[config.task](path="DIR/train"),
    )


@pytest.mark.parametrize("name", ["gnmt_small", "gnmt_multi30k", "digits_small"])
def test_another_corpus_is_not_judged_by_the_test_set_of_the_one_it_replaces(name: str, tmp_path: Path) -> None:
    """A translator of somebody's own files got 0.64 BLEU on the embedded grammar, or was refused for its languages."""
    shipped = load_config(name).data
    assert shipped.validation and shipped.test
    own = load_config(name, ["--data.train", "DIR/train"]).data
    assert (own.validation, own.test) == ((), ())
    kept = load_config(name, ["--data.train", "DIR/train", "--data.test", write_back(shipped.test[0])]).data
    assert (kept.validation, kept.test) == ((), shipped.test)
    more = load_config(name, ["--data.train", f"[{write_back(shipped.train[0])}, DIR/train]"]).data
    assert (more.validation, more.test) == (shipped.validation, shipped.test)
    mine = tmp_path / "mine.yaml"
    mine.write_text("data: {train: a/train, validation: a/val, test: [a/test, demo:test]}\n", encoding="utf-8")
    assert len(load_config(mine, ["--data.train", "b/train"]).data.test) == 2  # files do not say what they belong to


def write_back(source: CorpusSource | LineSource) -> str:
    """A source as it is typed."""
    return json.dumps(source.model_dump(exclude_defaults=True))


@pytest.mark.parametrize("name", ["gnmt_small", "gnmt_multi30k", "digits_small"])
def test_a_configuration_that_needs_no_file_has_all_its_data(name: str) -> None:
    data = load_config(name).data
    assert data.train and data.validation and data.test


def test_the_named_configurations_are_there() -> None:
    names = {"gnmt_small", "gnmt_multi30k", "gnmt_iwslt", "gnmt_wmt16", "gnmt_wmt14_8layer"}
    assert names <= set(available_configs())
    assert load_config("gnmt_small").data.train[0] == CorpusSource(kind="demo", path="train")
    assert load_config("gnmt_multi30k").data.train[0] == CorpusSource(kind="hub", path="bentrevett/multi30k")
    assert isinstance(load_config("digits_small"), RecognitionConfig)


# --- finding


def test_a_configuration_is_found_by_path_name_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config("gnmt_small").name == "gnmt_small"  # the repository's, from anywhere
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "gnmt_small.yaml").write_text("# mine\nseed: 77\n")
    assert load_config("gnmt_small").seed == 77  # yours comes first
    assert available_configs()["gnmt_small"] == Path("configs/gnmt_small.yaml")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("name: earlier\n")
    assert load_config("run").name == "earlier"
    assert load_config(tmp_path / "run" / "config.yaml").name == "earlier"


def test_an_installed_package_brings_its_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nmt" / "_configs").mkdir(parents=True)
    (tmp_path / "nmt" / "_configs" / "only.yaml").write_text("seed: 9\n")
    (tmp_path / "configs").mkdir()  # beside an installed package: not ours
    (tmp_path / "configs" / "stranger.yaml").write_text("seed: 8\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr("nmt.config.find._PACKAGE", tmp_path / "nmt")
    assert list(available_configs()) == ["only"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gnmt_smal", "did you mean gnmt_small?"),
        ("multi30k", "gnmt_multi30k"),
        ("zzz", "gnmt_wmt16"),
        ("nowhere/x.yaml", "nowhere does not exist"),
        ("configs", "without a config.yaml"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(
    name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    with pytest.raises(ConfigError) as caught:
        find_config(name if name != "configs" else tmp_path / "configs")
    assert name in str(caught.value)
    assert expected in str(caught.value)


def test_a_misspelt_file_gets_the_nearest_file(write: Any, tmp_path: Path) -> None:
    write("seed: 1")
    with pytest.raises(ConfigError, match=r"did you mean mine\.yaml"):
        find_config(tmp_path / "mnie.yaml")


def test_a_file_without_a_name_is_named_after_itself(write: Any) -> None:
    assert load_config(write("seed: 2")).name == "mine"
    assert load_config(write("")).name == "mine"
    assert load_config(write("name: other")).name == "other"


# --- YAML


def test_words_stay_words_and_numbers_are_numbers(write: Any) -> None:
    config = load_config(
        write(
            "name: 2024\n"
            "data: {source: no, target: on}\n"
            "train: {precision: 32, max_epochs: 3, optimizer: {learning_rate: 1e-3, eps: 1E-9, weight_decay: 1}}\n"
        )
    )
    assert (config.name, config.data.source, config.data.target) == ("2024", "no", "on")
    assert config.train.precision == "32"
    assert (config.train.optimizer.learning_rate, config.train.optimizer.eps) == (1e-3, 1e-9)
    assert config.train.optimizer.weight_decay == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 1\nmodel: {}\nseed: 2\n", "mine.yaml:3: seed: stands here a second time, after line 1"),
        ("model:\n  cell: gru\n  cell: gru\n", "mine.yaml:3: model.cell: stands"),
        ("model:\n\tcell: gru\n", "mine.yaml:2:1: a tab"),
        ("model: [1, 2\n", "mine.yaml:2:1: "),
        ("seed: &x 1\nmodel: *x\n", "mine.yaml:2: aliases"),
        ("seed: !!python/object/apply:os.getcwd []\n", "mine.yaml:1: tags"),
        ("- 1\n", "mine.yaml: must hold options"),
        ("hello\n", "mine.yaml: must hold options"),
        ("? [a]\n: 1\n", "mine.yaml:1: a key must be a word"),
        ("seed: \x01\n", "mine.yaml: not YAML"),
        ("[" * 500 + "]" * 500, "mine.yaml: nested too deeply"),
        ("[" * 400_000, "mine.yaml: nested too deeply"),  # which took the parser hours
    ],
)
def test_what_is_no_configuration_is_named_with_its_line(write: Any, text: str, expected: str) -> None:
    assert expected in complaint(write(text))


def test_a_file_in_another_encoding_or_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("name: größe".encode("latin-1"))
    assert "mine.yaml: byte 9 is not UTF-8" in complaint(path)
    path.write_bytes(b"\xef\xbb\xbfseed: 4\r\n")
    assert load_config(path).seed == 4


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.from_regex(r"[-+.0-9eExo_:]+")
    | st.text("a :#\n\r\t\x7f\x85\u2028\ufeff"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same_by_us_and_by_yaml_1_1(value: Any) -> None:
    text = write_document(value)
    assert read_document(text, name="x").value == value
    assert yaml.safe_load(text) == value


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001),
        ("no", "no"),
        ("True", True),
        ("012", 12),
        ("1_000", "1_000"),
        ("~", None),
        ("-.inf", -float("inf")),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(word: str, value: Any) -> None:
    assert plain_value(word) == value
    assert type(plain_value(word)) is type(value)


# --- overrides


def test_overrides_in_every_form() -> None:
    config = load_config(
        "gnmt_small",
        [
            *("--model.hidden_size", "512", "--model.dropout.input=0.4", "--data.streaming", "--seed", "9"),
            *("--train.optimizer.betas", "[0.8, 0.9]", "--model.attention_size=null", "--logger=none"),
            *(
                "--model.initialization.forget_bias",
                "-1",
                "--model.hidden_size",
                "640",
                "--train.precision",
                "32",
                "--train.max_steps=9",
            ),
        ],
    )
    assert config.model.hidden_size == 640  # the last one counts
    assert config.model.dropout.input == 0.4
    assert config.data.streaming is True
    assert config.train.optimizer.betas == (0.8, 0.9)
    assert config.model.attention_size is None
    assert (config.seed, config.logger, config.train.precision) == (9, "none", "32")
    assert config.model.initialization.forget_bias == -1.0
    assert config.model.attention == "dot"  # the file's other values stay


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DIR/train", [{"path": "DIR/train"}]),
        ("C: my #1 dir/@x", [{"path": "C: my #1 dir/@x"}]),
        ("demo:train", [{"kind": "demo", "path": "train"}]),
        ("hub:a/b", [{"kind": "hub", "path": "a/b"}]),
        ("{path: a.tsv, weight: 2}", [{"path": "a.tsv", "weight": 2}]),
        (
            "[{path: a.tsv}, b, {path: c.jsonl, weight: 0.5}]",
            [{"path": "a.tsv"}, {"path": "b"}, {"path": "c.jsonl", "weight": 0.5}],
        ),
        ("2016", [{"path": "2016"}]),
        ("null", []),
    ],
)
def test_corpora_on_the_command_line(text: str, expected: list[dict[str, Any]]) -> None:
    config = load_config("gnmt_small", ["--data.train", text])
    assert config.data.train == tuple(CorpusSource.model_validate(source) for source in expected)


def test_a_section_is_merged_and_a_word_is_taken_as_it_stands(write: Any) -> None:
    config = load_config(
        write("model: {cell: gru, dropout: {input: 0.3, token: 0.1}}"),
        ["--model", "{hidden_size: 8, dropout: {input: 0.5}}", "--data.cache_dir", "a: b", "--data.source", "no"],
    )
    assert (config.model.cell, config.model.hidden_size) == ("gru", 8)
    assert (config.model.dropout.input, config.model.dropout.token) == (0.5, 0.1)
    assert (config.data.cache_dir, config.data.source) == ("a: b", "no")
    assert load_config(write(""), ["--data.cache_dir", "null"]).data.cache_dir is None
    assert load_config(write(""), ["--data.cache_dir", "'null'"]).data.cache_dir == "null"


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]+(\.[a-z_]+)?", fullmatch=True), st.text(min_size=1).filter(lambda t: t[:2] != "--")
        )
    )
)
def test_both_ways_to_write_an_override_are_the_same(pairs: list[tuple[str, str]]) -> None:
    apart = [word for key, value in pairs for word in (f"--{key}", value)]
    together = [f"--{key}={value}" for key, value in pairs]
    assert parse_overrides(apart) == parse_overrides(together) == pairs


# --- errors


def test_all_problems_are_reported_at_once_with_their_places(write: Any) -> None:
    text = """
        model:
          hiden_size: 3
          cell: gur
        train: {max_epochs: 1.5, clip_norm: -1, optimizer: {betas: [0.9, 2]}}
        data:
          train: [{path: a, wieght: 3}]
    """
    lines = complaint(write(text), "--model.cel", "gru", "--data.workers=true", "--train.max_minutes", "soon").split(
        "\n"
    )
    assert lines[0] == "9 problems:"
    path = next(word for word in lines[-1].split() if "mine.yaml" in word).rpartition("mine.yaml")[0]
    assert sorted(line.strip().replace(path, "") for line in lines[1:]) == sorted(
        [
            "command line: --model.cel: unknown option; did you mean model.cell?",
            "command line: --data.workers: must be an integer, got true",
            "command line: --train.max_minutes: must be a number, got 'soon'",
            "mine.yaml:3: model.hiden_size: unknown option; did you mean model.hidden_size?",
            "mine.yaml:4: model.cell: must be lstm, gru, rnn or peephole, got 'gur'; did you mean gru?",
            "mine.yaml:5: train.max_epochs: must be an integer, got 1.5",
            "mine.yaml:5: train.clip_norm: must be at least 0.0, got -1",
            "mine.yaml:5: train.optimizer.betas[1]: must be less than 1.0, got 2",
            "mine.yaml:7: data.train[0].wieght: unknown option; did you mean weight?",
        ]
    )


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["--hidden_size", "4"], "did you mean model.hidden_size?"),
        (["--lr", "4"], "did you mean train.optimizer.learning_rate?"),
        (["--trian.max_steps", "4"], "did you mean train.max_steps?"),
        (["--train.max-steps", "4"], "did you mean train.max_steps?"),
        (["--seed.x", "4"], "seed is a value"),
        (["--data.train.weight", "4"], "--data.train '[{path: ..., weight: ...}]'"),
        (["--qqqqq", "4"], "a configuration has task, name, seed"),
        (["--seed"], "--seed: needs a value (integer"),
        (["--data.streaming", "yes"], "must be true or false, got 'yes'"),
        (["--seed", "-1"], "must be at least 0, got -1"),
        (["--seed", "1.0"], "must be an integer, got 1.0"),
        (["--seed", "[1"], "--seed: "),
        (["--model.dropout", "0.3"], "model.dropout: is a section (model.dropout.input"),
        (["--search.length_penalty", "true"], "must be a number, got true"),
        (["--search.length_penalty", ".inf"], "must be a finite number"),
        (["512"], "'512' belongs to no option"),
        (["--seed", "1", "2"], "'2' belongs to no option"),
        (["--model.bidirectional_layers", "5"], "bidirectional_layers (5) is more than encoder_layers (2)"),
        (["--search.diverse_beam_groups", "2"], "--search: diverse_beam_groups (2) must divide beam_size (5)"),
        (["--tokenizer.joint", "false"], "needs tokenizer.joint"),
        (["--train.risk.samples", "1"], "command line: --train.risk: samples must be 0 or at least 2"),
        (["--train.teacher_forcing.length", "9"], "command line: --train.teacher_forcing: kind 'constant' takes neith"),
        (["--train.teacher_forcing.temperature", "1e-30"], "must be at least 0.01"),
        (["--train.devices", "1000000"], "must be at most 256"),
        (["--train.threads", "100000"], "must be at most 1,024"),
    ],
)
def test_mistakes_on_the_command_line(overrides: list[str], expected: str) -> None:
    message = complaint("gnmt_small", *overrides)
    assert expected in message
    assert "\n" not in message


def test_places_are_those_of_the_key_and_of_the_last_word(write: Any) -> None:
    assert "mine.yaml:2: modl: unknown option" in complaint(write("seed: 1\nmodl:\n\n  cell: gru\n"))
    path = write("data:\n  train:\n    - {path: a, weight: 0}\n")
    assert complaint(path) == f"{path}:3: data.train[0].weight: must be greater than 0.0, got 0"
    again = complaint(path, "--data.train", "[{path: a, weight: -1}]")
    assert again == "command line: --data.train[0].weight: must be greater than 0.0, got -1"


def test_a_value_where_the_file_has_none_of_a_section(write: Any) -> None:
    assert "mine.yaml:1: model: is a section" in complaint(write("model: 3"), "--model.cell", "gru")
    assert load_config(write("model:\ntrain: {max_steps: 3}"), ["--model.cell", "gru"]).model.cell == "gru"


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)
def test_every_option_misspelt_leads_back_to_itself(root: Root) -> None:
    for key in options(root):
        head, _, name = key.rpartition(".")
        if len(name) > 4:
            assert nearest(f"{head}.{name[0]}{name[2:]}" if head else f"{name[0]}{name[2:]}", root) == key


# --- and back to YAML


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("gnmt_*.yaml")))
def test_a_written_configuration_is_the_same(name: str, write: Any) -> None:
    overrides = [
        "--data.source",
        "no",
        "--train.precision",
        "32",
        "--tokenizer.user_symbols",
        "['1e3', '<2de>', 'null']",
    ]
    config = load_config(name, overrides)
    text = dump_yaml(config)
    assert load_config(write(text)) == config
    assert Config.model_validate(yaml.safe_load(text)) == config
    assert text.startswith("task: translation\n") and "character_coverage" in text


# --- the kinds of run


both_roots = pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)


BOUNDS = ("[>≥]", "[<≤]")  # in an option's kind
# options that make no sense alone → what has to be said too
TOGETHER = {
    "data.streaming": ["--train.max_steps=9"],
    "tokenizer.source_model": ["--tokenizer.target_model=b", "--model.tie_embeddings=none"],
    "tokenizer.target_model": ["--tokenizer.source_model=b", "--model.tie_embeddings=none"],
    "tokenizer.joint": ["--model.tie_embeddings=none"],
    "model.bidirectional_layers": ["--model.encoder_layers=9", "--model.layers=9"],
    "model.shortcut": ["--train.shortcut_weight=0"],
    "search.diverse_beam_groups": ["--search.beam_size=6"],
    "train.teacher_forcing.kind": ["--train.teacher_forcing.length=9"],
    "train.teacher_forcing.length": ["--train.teacher_forcing.kind=linear"],
    "train.teacher_forcing.k": ["--train.teacher_forcing.kind=inverse_sigmoid"],
}


def another_value(option: Option) -> Any:
    """A valid value that is not the default, as in a YAML file."""
    default, kind = option.default, option.kind
    if isinstance(default, bool):
        return not default
    if option.key == "model.frontend.blocks":
        return [{"channels": 5}]
    if isinstance(default, list):
        return default[::-1] if default else ["a: b #1"]
    words = kind.replace(" or ", ", ").split(", ")
    if kind.startswith("text"):
        return "a-b"
    if kind.startswith("integer"):
        return default - 1 if default is not None and default > 2 else 3
    if kind.startswith("number"):
        found = [re.search(f"{signs} ([0-9.]+)", kind.replace(",", "")) for signs in BOUNDS]
        least, most = (float(bound[1]) if bound else None for bound in found)
        return (default or 1.0) + 0.5 if most is None else 0.25 * (least or 0.0) + 0.75 * most
    return next((word for word in words if word != default), default)


@both_roots
def test_every_option_can_be_set_on_the_command_line(root: Root, write: Any) -> None:
    path = write(f"task: {root().task}\ntrain: {{max_epochs: 30}}\n")
    for key, option in options(root).items():
        value = another_value(option)
        text = value if isinstance(value, str) else json.dumps(value)
        beside = [word for word in TOGETHER.get(key, []) if word[2:].partition("=")[0] in options(root)]
        config = load_config(path, [f"--{key}", text, *beside])
        assert config == load_config(path, [*beside, f"--{key}={text}"])
        found: Any = config.model_dump(mode="json")
        for part in key.split("."):
            found = found[part]
        if takes_corpora(option.field):
            found = [source["path"] for source in found]
        elif item_of(option.field):
            found = [{"channels": block["channels"]} for block in found]
        assert (key, found) == (key, value)
        assert key == "task" or found != option.default


@both_roots
def test_either_kind_is_written_and_read_as_the_same(root: Root, write: Any) -> None:
    for config in (root(), root.model_validate({"name": "x", "seed": 3, "train": {"max_steps": 4, "monitor": "loss"}})):
        text = dump_yaml(config)
        assert load_config(write(text)) == config
        for plain in (yaml.safe_load(text), json.loads(json.dumps(config.model_dump(mode="json")))):
            assert root.model_validate(plain) == config


def test_a_recognisers_file_may_hold_all_it_can(write: Any) -> None:
    text = """
        task: recognition
        data:
          train: [digits:train, {path: b.tsv, text_column: 2, split: 2016}, {kind: pendigits, path: p.csv, lines: 30}]
          test: {path: a.tsv, writer_column: 7}
          augmentation: {enabled: false, strokes: {jitter: 0}}
        model:
          frontend:
            kind: strokes
            blocks: [{channels: 8, kernel: [1, 5], stride: [1, 2]}, {channels: 9, normalization: layer}]
        train: {max_steps: 4, monitor: wer, precision: 32}
    """
    config = load_config(write(text), ["--model.frontend.height", "32", "--data.validation", "pendigits:a: b.csv"])
    assert isinstance(config, RecognitionConfig)
    digits, table, pendigits = config.data.train
    assert (digits.kind, digits.path, pendigits.lines) == ("digits", "train", 30)
    assert (table.text_column, table.split, config.data.test[0].writer_column) == ("2", "2016", "7")
    assert config.data.validation == (LineSource(kind="pendigits", path="a: b.csv"),)
    first, second = config.model.frontend.blocks
    assert (first.kernel, first.stride, second.normalization) == ((1, 5), (1, 2), "layer")
    assert (config.train.precision, config.train.monitor, config.model.frontend.height) == ("32", "wer", 32)
    assert load_config(write(dump_yaml(config))) == config


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ("task: recogniton", [], "mine.yaml:1: task: must be translation or recognition, got 'recogniton'; did you m"),
        ("task: [a]", [], "mine.yaml:1: task: must be translation or recognition, got ['a']"),
        ("seed: 1", ["--task", "reading"], "command line: --task: must be translation or recognition, got 'reading'"),
        ("task: recognition", ["--task", "translation"], "is a configuration of recognition runs; choose another"),
        ("seed: 1", ["--task"], "--task: needs a value (translation)"),
        (
            "task: recognition\ntokenizer: {}",
            [],
            "mine.yaml:2: tokenizer: unknown option; it belongs to translation ru",
        ),
        (
            "task: recognition\ntrain: {label_smoothing: 0.1}",
            [],
            "train.label_smoothing: unknown option; it belongs to translation runs, and this is a recognition run",
        ),
        (
            "task: recognition",
            ["--search.length_penalty", "1"],
            "--search.length_penalty: unknown option; it belongs to",
        ),
        ("seed: 1", ["--model.frontend.height", "9"], "belongs to recognition runs, and this is a translation run"),
        (
            "model: {frontend: {height: 9}}",
            [],
            "mine.yaml:1: model.frontend: unknown option; it belongs to recognition",
        ),
        ("task: recognition", ["--train.shortcut_wait", "9"], "did you mean train.shortcut_weight?"),
        ("task: recognition", ["--data.batch_target_token", "9"], "unknown option"),
        ("task: recognition", ["--batch_size", "9"], "did you mean data.batch_columns?"),
        ("task: recognition", ["--train.monitor", "bleu"], "must be cer, wer or loss, got 'bleu'"),
        ("task: translation", ["--train.monitor", "cer"], "must be bleu, chrf or loss, got 'cer'"),
        (
            "task: recognition",
            ["--data.train.lines", "9"],
            "inside the value: --data.train '[{path: ..., lines: ...}]'",
        ),
        ("task: recognition", ["--model.frontend.blocks.channels", "9"], "blocks '[{channels: ...}]'"),
        ("task: recognition", ["--model.frontend.blocks", "9"], "--model.frontend.blocks: must be a list, got 9"),
        (
            "task: recognition\ndata: {train: [{path: a, symbol: 3}]}",
            [],
            "data.train[0].symbol: unknown option; did you",
        ),
        ("task: recognition", ["--model.frontend.blocks", "[{chanels: 9}]"], "did you mean channels?"),
        (
            "task: recognition",
            ["--model.frontend.blocks", "[{channels: 9, kernel: [2, 3]}]"],
            "only odd sizes have a mid",
        ),
        (
            "task: recognition",
            ["--model.shortcut", "false"],
            "mine.yaml: train.shortcut_weight needs model.shortcut",
        ),
    ],
)
def test_mistakes_name_options_of_the_right_kind(text: str, overrides: list[str], expected: str, write: Any) -> None:
    assert expected in complaint(write(text), *overrides)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("seed: 1", "translation"),
        ("task: recognition", "recognition"),
        ("# task: recognition", "translation"),
        ("name: x\ntask: 'recognition'  # of lines", "recognition"),
        ("data:\n  task: recognition", "translation"),
    ],
)
def test_the_kind_of_a_file_is_read_without_yaml(text: str, task: str, write: Any) -> None:
    assert task_of(write(text)) == task


def test_the_command_line_makes_a_kind_of_a_file_that_names_none(write: Any) -> None:
    config = load_config(write("seed: 4"), ["--task", "recognition", "--model.layers=2"])
    assert isinstance(config, RecognitionConfig) and (config.seed, config.model.layers) == (4, 2)
    twice = load_config(write("seed: 4"), ["--task=recognition", "--task", "translation"])  # the last one counts
    assert twice == load_config(write("seed: 4"))


@pytest.mark.parametrize(
    ("config", "overrides", "command"),
    [
        ("gnmt_small", [], "nmt translate --checkpoint 'my runs/a' --interactive"),
        ("lines_small", ["--data.test=val"], "nmt recognize --checkpoint 'my runs/a' IMAGES"),
        ("strokes_small", ["--data.test=pen.jsonl"], "nmt recognize --checkpoint 'my runs/a' STROKES.jsonl"),
        ("digits_small", ["--data.test=lines.tsv"], "nmt recognize --checkpoint 'my runs/a' IMAGES"),
        (
            "digits_small",
            [],
            "nmt evaluate-lines --checkpoint 'my runs/a' --lines digits:test --report worst.html",
        ),
        (
            "strokes_small",
            ["--data.train=pendigits:train:a.csv", "--data.validation=[pendigits:validation:a.csv, pendigits:b c.csv]"],
            "nmt evaluate-lines --checkpoint 'my runs/a' --lines pendigits:validation:a.csv 'pendigits:train:b c.csv'"
            " --report worst.html",
        ),
    ],
)
def test_a_run_is_tried_with_what_there_is_to_give(config: str, overrides: list[str], command: str) -> None:
    """Runs on strokes and on digits, of which nobody has images, ended with `recognize ... IMAGES`."""
    assert load_config(CONFIGS / f"{config}.yaml", overrides).trial("my runs/a") == command


@pytest.mark.parametrize("text", ["digits:test", "pendigits:validation:a.csv", "hub:a/b", "alto:x", "page:x", "a:b"])
def test_a_source_of_lines_is_spelled_as_it_is_read(text: str) -> None:
    [source] = LinesConfig.model_validate({"test": [text]}).test
    assert source.spelled == text and LinesConfig.model_validate({"test": source.spelled}).test == (source,)


@both_roots
def test_what_other_toolkits_call_it_leads_to_an_option(root: Root) -> None:
    known = options(root)
    for word, keys in FAMILIAR.items():
        assert any(key in options(other) for other in ROOTS.values() for key in keys), word
        meant = nearest(word, root)
        assert meant in known or meant is None or meant in keys


@both_roots
def test_options_that_wait_for_a_score_need_validation(root: Root) -> None:
    waiting = {"name": "x", "train": {"max_steps": 1, "patience": 3}}
    with pytest.raises(ConfigError, match=r"train.patience 3: needs data\.validation"):
        check_validation(root.model_validate(waiting))
    check_validation(root.model_validate(waiting | {"data": {"validation": "somewhere"}}))
