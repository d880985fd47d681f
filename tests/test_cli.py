"""The commands around training: what they import, what they say, and how they end."""

import contextlib
import gzip
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nmt
from nmt.cli import main as nmt_command
from nmt.cli import tokenizer as tokenizer_command
from nmt.cli import train as train_command
from nmt.cli.guard import INTERRUPTED
from nmt.config.load import load_config
from nmt.config.options import options
from nmt.config.schema import ROOTS, Config
from nmt.errors import ConfigError, NMTError, TrainingError
from nmt.training.ending.stopping import Interrupted

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pytorch_lightning", "lightning_fabric", "wandb", "datasets", "sentencepiece", "sacrebleu", "numpy")


def python(code: str, *arguments: str, cwd: Path = ROOT, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=120,
    )


# --- start-up


@pytest.mark.parametrize(
    "code",
    [
        "import nmt",
        "import nmt.cli.main, nmt.cli.train, nmt.cli.tokenizer, nmt.cli.translate, nmt.cli.evaluate",
        "from nmt import ConfigError, load_config; load_config('gnmt_small')",
        "from nmt.cli.main import main; assert main(['--help']) == 0",
        "from nmt.cli.main import main; assert main(['train', '--help']) == 0",
        "from nmt.cli.train import main; assert main(['--help-options']) == 0",
        "from nmt.cli.train import main; assert main(['--config', 'gnmt_small', '--print-config']) == 0",
        "from nmt.cli.train import main; assert main(['--config', 'gnmt_smal']) == 2",
        "from nmt.cli.train import main; assert main(['--config', 'gnmt_small', '--modl.x', '3']) == 2",
        "from nmt.cli.train import main; assert main(['--config', 'gnmt_small', '--data.train', 'no/where']) == 1",
        "from nmt.cli.train import main; assert main(['--config', 'digits_small', '--print-config']) == 0",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    done = python(f"{code}\nimport sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.decode().splitlines()[-1] == "[]"


def test_missing_lines_are_named_before_torch_is_imported() -> None:
    code = "from nmt.cli.train import main; assert main(['--config', 'digits_small', '--data.train', 'no/where']) == 1"
    done = python(f"{code}\nimport sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)")
    said = done.stderr.decode()
    assert "no/where" in said
    assert said.splitlines()[-1] in ("[]", "['numpy']"), said


@pytest.mark.parametrize("command", [["--help"], ["train", "--help"], ["train"], ["--version"]])
def test_help_needs_no_pydantic_either(command: list[str]) -> None:
    code = "import sys; from nmt.cli.main import main; main(sys.argv[1:]); sys.exit('pydantic' in sys.modules)"
    assert python(code, *command).returncode == 0


def test_public_names_are_all_there() -> None:
    for name in nmt.__all__:
        assert getattr(nmt, name) is not None
    assert set(nmt.__all__) <= set(dir(nmt))
    assert nmt.load_config is load_config
    assert nmt.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="no attribute 'Translater'"):
        _ = nmt.Translater


# --- nmt COMMAND


def test_commands_are_listed_found_and_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert nmt_command.main([]) == 2
    assert nmt_command.main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in nmt_command.COMMANDS:
        assert f"  {name} " in listed
        assert (ROOT / "nmt" / "cli" / f"{name.replace('-', '_')}.py").is_file()
    assert nmt_command.main(["trian"]) == 2
    assert capsys.readouterr().err == "error: no command 'trian'; did you mean train?\n"
    assert nmt_command.main(["train", "--config", "gnmt_small", "--print-config"]) == 0
    assert "name: gnmt_small" in capsys.readouterr().out


def test_both_models_and_their_ways_are_named_where_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer saw the translator alone."""
    assert nmt_command.main([]) == 2
    said = capsys.readouterr()
    assert said.err == "" and "translator (GNMT)" in said.out and "handwriting (CTC)" in said.out
    typed = [line.split() for line in said.out.splitlines() if line.startswith("  nmt train")]
    assert [words[3] for words in typed] == ["gnmt_small", "digits_small", "lines_small"]
    for words in typed:
        load_config(words[3], [*words[6:]])


@pytest.mark.parametrize("command", [[name] for name in nmt_command.COMMANDS] + [["tokenizer", "encode"]], ids=" ".join)
def test_every_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        nmt_command.main([*command, "--help"])
    said = capsys.readouterr().out
    assert "\nexample" in said
    typed = said[said.index("\nexample") :]
    assert f"nmt {command[0]}" in typed or f"scripts/{command[0].replace('-', '_')}.py" in typed


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("train --confg gnmt_small", "--config"),
        ("translate --checkpoint x --nbest 3", "--n-best"),
        ("translate --chekpoint x", "--checkpoint"),  # what is missing is what was misspelt
        ("translate --checkpoint x --beam 3", "--beam-size"),  # never abbreviated, but understood
        ("recognize --checkpoint x --nbest=3 --n_best=3 a.png", "--n-best"),
        ("evaluate --hyp x", "--hypotheses"),
        ("evaluate-lines --checkpoint x --line y", "--lines"),
        ("score --checkpoint x --sources y", "--source"),
        ("tokenizer encode --modle x", "--model"),
        ("tokenizer encode --model x --id", "--ids"),
        ("ngram --ordre 3", "--order"),
        ("demo-text --output x --split train", "--splits"),
    ],
)
def test_an_option_that_is_not_there_is_answered_with_one_that_is(
    command: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nmt_command.main(command.split()) == 2
    said = capsys.readouterr().err
    assert f"did you mean {meant}?" in said and said.count("did you mean") == 1 and said.count("\n") == 1


def test_an_option_like_no_other_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert nmt_command.main(["demo-text", "--output", "x", "--xyz"]) == 2
    assert capsys.readouterr().err == "error: unrecognized arguments: --xyz; see demo-text --help\n"


def test_as_a_module_and_as_a_script() -> None:
    for command in (["-m", "nmt", "train"], ["scripts/train.py"]):
        done = subprocess.run(
            [sys.executable, *command, "--config", "gnmt_smal"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: no configuration named 'gnmt_smal'; did you mean gnmt_small?")
        assert done.stderr.count("\n") == 1


# --- train


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    assert train_command.main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def test_help_shows_examples_configurations_and_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_command.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "python scripts/train.py --config gnmt_small\n" in text
    assert "gnmt_wmt16" in text
    assert "NVIDIA's GNMT v2 recipe" in text
    for section in ("data", "tokenizer", "model", "train", "search"):
        assert f"--{section}.*" in text


def test_every_option_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_command.main(["--help-options"]) == 0
    text = capsys.readouterr().out
    for root in ROOTS.values():
        for key in options(root):
            assert f"--{key}\n" in text
    assert train_command.main(["--help-options", "model.dropout", "--config", "gnmt_small"]) == 0
    part = capsys.readouterr().out
    assert part.count("--") == 5
    assert "number ≥ 0.0 and < 1.0; default 0.2" in " ".join(part.split())
    assert "did you mean model?" in complaint(capsys, "--help-options", "modle", code=2)


@pytest.mark.parametrize("which", [["--task", "recognition"], ["--config", "digits_small"]])
def test_the_options_of_one_kind_of_run(which: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert train_command.main(["--help-options", *which]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("--") for line in lines if line.startswith("--")] == [*options(ROOTS["recognition"])]
    assert train_command.main(["--help-options", "model.frontend"]) == 0
    assert "--model.frontend.height\n" in capsys.readouterr().out
    assert train_command.main(["--help-options", "tokenizer"]) == 0  # which recognisers lack
    assert capsys.readouterr().out.startswith("# translation runs\n--tokenizer.model\n")
    assert "did you mean recognition?" in complaint(capsys, "--help-options", "--task", "recogniton", code=2)


def test_options_that_kinds_share_stand_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_command.main(["--help-options", "train"]) == 0
    text = capsys.readouterr().out
    assert text.count("--train.max_steps\n") == 1 and text.count("--train.monitor\n") == 2
    first, second = text.split("# recognition runs, beside what is the same\n")
    assert first.startswith("# translation runs\n") and "--train.label_smoothing\n" in first
    assert "--train.shortcut_weight\n" in second and "--train.clip_norm\n" not in second


def test_help_groups_configurations_by_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_command.main(["--help"]) == 0
    translation, recognition = capsys.readouterr().out.split("configurations, ")[1:]
    assert "  gnmt_small " in translation and "digits_small" not in translation
    assert "  digits_small " in recognition.split("any option")[0] and "--config strokes_small" in recognition


def test_a_printed_configuration_is_read_as_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["--model.hidden_size", "512", "--data.source=no", "--data.streaming", "--train.max_steps=9"]
    assert train_command.main(["--config", "gnmt_small", *arguments, "--print-config"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert load_config(tmp_path / "printed.yaml") == load_config("gnmt_small", arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--config is needed: "),
        (["--config"], "--config: expected one argument"),
        (["--confg", "gnmt_small"], "did you mean --config?"),
        (["--config", "gnmt_small", "--run_dir", "x"], "did you mean --run-dir?"),
        (["--config", "gnmt_small", "--rundir=x"], "did you mean --run-dir?"),
        (["--config", "gnmt_small", "--model.hiden_size", "3"], "did you mean model.hidden_size?"),
        (
            ["--config", "gnmt_small", "--data.train", "[]"],
            "nothing to train on; give --data.train DIR/train (or demo:",
        ),
        (
            ["--config", "digits_small", "--data.train", "[]"],
            "nothing to train on; give --data.train DIR/train (or digi",
        ),
        (["--config", "strokes_small"], "--data.train DIR/train.jsonl with pen strokes, {"),  # not digits, of images
        (
            ["--config", "digits_small", "--task", "translation"],
            "digits_small.yaml is a configuration of recognition ru",
        ),
        (["--config", "gnmt_small", "--task", "speech"], "--task: must be translation or recognition, got 'speech'"),
        (["--config", "digits_small", "--data.validation", "[]", "--train.patience", "3"], "patience 3: needs data"),
        (["--config", "gnmt_small", "--run-dir", "README/x"], "is a file, not a folder"),
        (["--config", "gnmt_small", "--data.validation", "[]", "--train.patience", "3"], "patience 3: needs data"),
        (["--config", "gnmt_small", "--model.encoder_layers", "1", "--model.bidirectional_size", "9"], "(18) to be as"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README").touch()
    message = complaint(capsys, *arguments, code=2)
    assert expected in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data.train", "demo:foo"], "data.train: demo:foo: the demo corpus has no split 'foo'; it has train, val"),
        (["--data.target", "fr"], "data.test: demo:test: the embedded corpus is"),
        (["--data.train", "[demo:train, demo:train]"], "data.train: demo:train: is given twice; leave one out"),
    ],
)
def test_corpora_that_cannot_be_are_named_before_anything_is_made(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = ["--config", "gnmt_small", "--run-dir", str(tmp_path / "run")]
    assert expected in complaint(capsys, *run, *arguments, code=1)
    assert not (tmp_path / "run").exists()


def test_missing_files_are_all_named_with_what_is_near(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train.en", "train.de", "val.en"):
        Path(name).write_text("a\n")
    local = ["--config", "gnmt_multi30k", "--data.train", "trian", "--data.validation", "val", "--data.test", "[x.tsv]"]
    message = complaint(capsys, *local, "--tokenizer.model", "spm.model", code=1)
    assert message.startswith("error: 5 problems:\n  data.train: trian.en: no such file; there is train.en")
    assert "\n  data.validation: val.de: no such file" in message
    assert "\n  data.test: x.tsv: no such file" in message
    assert "\n  tokenizer: spm.model: no such file\n" in message
    assert "val.en: no such file" not in message
    Path("corpus").mkdir()
    Path("corpus/val.en").write_text("a\n")
    folder = ["--config", "gnmt_multi30k", "--data.train", "corpus", "--data.validation", "corpus/val"]
    said = "error: 2 problems:\n  data.train: corpus: is a folder; a text corpus is the prefix of two files"
    assert complaint(capsys, *folder, code=1).startswith(f"{said}, such as corpus/val\n")
    assert "no file in this one ends in .fr" in complaint(capsys, *folder, "--data.source", "fr", code=1)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls of the training, which is not run."""
    calls: list[tuple[Any, ...]] = []

    def train(config: Config, *, run_dir: Path | None, resume: bool) -> None:
        calls.append((config, run_dir, resume))

    monkeypatch.setitem(sys.modules, "nmt.training.fit", SimpleNamespace(train=train))
    return calls


def test_training_gets_what_was_asked_for(trained: list[tuple[Any, ...]], tmp_path: Path) -> None:
    assert train_command.main(["--config", "gnmt_small", "--seed", "5", "--logger", "none"]) == 0
    run = tmp_path / "new" / "run"
    assert train_command.main(["--run-dir", str(run), "--model.cell=gru", "--no-resume", "--config", "gnmt_small"]) == 0
    (first, first_dir, first_resume), (second, second_dir, second_resume) = trained
    assert (first.seed, first.logger, first_dir, first_resume) == (5, "none", None, True)
    assert (second.model.cell, second_dir, second_resume) == ("gru", run, False)
    assert not run.exists()


def test_a_recogniser_is_trained_by_the_same_command(trained: list[tuple[Any, ...]], tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.gt.txt").write_text("5\n", encoding="utf-8")
    data = ["--data.train", str(tmp_path / "train"), "--data.validation", "digits:validation"]
    assert train_command.main(["--config", "digits_small", *data, "--seed", "5"]) == 0
    assert (trained[0][0].task, trained[0][0].seed, len(trained[0][0].data.train)) == ("recognition", 5, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert train_command.main(["--config", "digits_small", "--data.test", "trian"]) == 1
    assert len(trained) == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (TrainingError("loss is not finite"), 1, "error: loss is not finite\n"),
        (ConfigError("a\n  b"), 2, "error: a\n  b\n"),
        (Interrupted("stopped by SIGINT"), 75, "interrupted: stopped by SIGINT\n"),  # no error: somebody asked for it
        (KeyboardInterrupt(), INTERRUPTED, "interrupted before the first step; nothing is lost, start it again\n"),
        (KeyboardInterrupt("after it"), INTERRUPTED, "interrupted after it\n"),
    ],
)
def test_errors_in_training_end_without_a_traceback(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "nmt.training.fit", SimpleNamespace(train=fail))
    assert train_command.main(["--config", "gnmt_small"]) == code
    assert capsys.readouterr().err == said


# --- tokenizer


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    words = [f"{a}{b}{c}" for a in ("ba", "do", "ki") for b in ("ran", "lem", "tus") for c in ("", "a", "en")]
    text = "".join(f"{words[i % 27]} {words[i * 7 % 27]} {words[i * i % 27]}\n" for i in range(300))
    Path("a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    Path("b.txt.gz").write_bytes(gzip.compress(text.upper().encode()))
    return tmp_path


TRAIN = ("train", "--input", "a.txt", "b.txt.gz", "--output", "spm.model", "--vocabulary-size", "300")


def tokenizer(
    arguments: Sequence[str], stdin: bytes = b"", *, capsysbinary: pytest.CaptureFixture[bytes]
) -> tuple[int, bytes, str]:
    """Run the command in this process; exit code, standard output, standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = tokenizer_command.main(list(arguments))
    captured = capsysbinary.readouterr()
    return code, captured.out, captured.err.decode()


def test_train_encode_decode_keep_every_line(corpus: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, err = tokenizer([*TRAIN, "--kind", "bpe", "--user-symbols", "<2de>"], capsysbinary=capsysbinary)
    assert (code, out) == (0, b"")
    assert "spm.model: 300 pieces (bpe)" in err
    assert not list(corpus.glob("*.partial"))
    text = "baran\u2028dolem\n\n  KITUSA \r\n日本 <2de> \x0cx\u0085y\nlast"
    code, pieces, _ = tokenizer(["encode", "--model", "spm.model"], text.encode(), capsysbinary=capsysbinary)
    assert code == 0
    lines = pieces.decode().split("\n")
    assert len(lines) == 6  # five, and nothing behind the last line feed
    assert lines[0].replace(" ", "") == "▁baran▁dolem"
    assert lines[1] == ""
    assert "<2de>" in lines[3]
    code, decoded, _ = tokenizer(["decode", "--model", "spm.model"], pieces, capsysbinary=capsysbinary)
    assert decoded.decode() == "baran dolem\n\nKITUSA\n日本 <2de> x y\nlast\n"
    _, ids, _ = tokenizer(["encode", "--ids", "--model", "spm.model"], text.encode(), capsysbinary=capsysbinary)
    assert all(word.isdigit() for word in ids.split())
    _, again, _ = tokenizer(["decode", "--ids", "--model", "spm.model"], ids, capsysbinary=capsysbinary)
    assert again == decoded


def test_a_trained_model_fits_the_configuration(corpus: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    from nmt.config.data import TokenizerConfig
    from nmt.text.tokenizer import Tokenizer

    assert tokenizer(TRAIN, capsysbinary=capsysbinary)[0] == 0
    from_file = Tokenizer.from_file("spm.model")
    lines = Path("a.txt").read_text(encoding="utf-8-sig").splitlines()
    both = [*lines, *(line.upper() for line in lines)]
    assert from_file == Tokenizer.train(both, config=TokenizerConfig(vocabulary_size=300))
    assert pickle.loads(pickle.dumps(from_file)) == from_file


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "expected"),
    [
        (("train", "--input", "no.txt", "--output", "m"), b"", 1, "no.txt: no such file"),
        (("train", "--input", "bad.txt", "--output", "m"), b"", 1, "bad.txt:2: byte 0xff"),
        (("train", "--input", "bad.gz", "--output", "m"), b"", 1, "bad.gz: the gzip archive is damaged"),
        (("train", "--input", "empty.txt", "--output", "m"), b"", 1, "no text to train"),
        (("train", "--input", "a.txt", "--output", "a.txt"), b"", 1, "would overwrite"),
        (("train", "--input", "a.txt", "--output", "no/m"), b"", 1, "does not exist"),
        ((*TRAIN, "--vocabulary-size", "3"), b"", 2, "--vocabulary-size: must be at least 16, got 3"),
        ((*TRAIN, "--vocabulary-size", "100"), b"", 2, "vocabulary_size 100 is too small"),
        ((*TRAIN, "--character-coverage", "2"), b"", 2, "--character-coverage: must be at most 1.0"),
        ((*TRAIN, "--user-symbols", "</s>"), b"", 2, "'</s>' is a piece that every vocabulary has"),
        (("encode", "--model", "no.model"), b"", 2, "no.model: cannot read"),
        (("encode", "--model", "a.txt"), b"", 2, "a.txt: not a SentencePiece model"),
        (("encode", "--model", "ok.model"), b"a\n\xff\n", 1, "standard input:2: byte 0xff"),
        (("decode", "--ids", "--model", "ok.model"), b"5\n5 x\n", 1, "standard input:2: 'x' is no id"),
        (("decode", "--ids", "--model", "ok.model"), b"5\n9999\n", 1, "standard input:2: no piece has the id 9999"),
    ],
)
def test_mistakes_with_tokenizers_are_named(
    arguments: Sequence[str],
    stdin: bytes,
    code: int,
    expected: str,
    corpus: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    (corpus / "bad.txt").write_bytes(b"a\nb\xff\n")
    (corpus / "bad.gz").write_bytes(gzip.compress(b"a\n" * 10_000)[:-20])
    (corpus / "empty.txt").touch()
    if "ok.model" in arguments:
        tokenizer([*TRAIN, "--output", "ok.model"], capsysbinary=capsysbinary)
    found, _, err = tokenizer(arguments, stdin, capsysbinary=capsysbinary)
    assert expected in err
    assert found == code
    assert not (corpus / "m").exists()


def test_a_reader_that_leaves_is_no_error(corpus: Path) -> None:
    from nmt.config.data import TokenizerConfig
    from nmt.text.tokenizer import Tokenizer

    model = Tokenizer.train(["ba do ki"], config=TokenizerConfig.model_validate({"vocabulary_size": 270}))
    Path("spm.model").write_bytes(model.model)
    command = "import sys; from nmt.cli.tokenizer import main; sys.exit(main(['encode', '--model', 'spm.model']))"
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"ba do ki\n" * 100_000)
        process.stdin.close()
    assert process.wait(timeout=60) == 141
    assert b"Traceback" not in process.stderr.read()


def test_errors_of_ours_are_nmt_errors() -> None:
    assert issubclass(nmt.TrainingError, NMTError)
    assert nmt.ConfigError.exit_code == 2
