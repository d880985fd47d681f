"""What training saves, inference reads; what is damaged, foreign or hostile is refused by name."""

import bz2
import gzip
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_recognizer import scribble, tiny_recognizer

from nmt.checkpoint import (
    Checkpoint,
    RecognitionCheckpoint,
    average_weights,
    find_checkpoint,
    read_any,
    read_checkpoint,
    read_recognition,
    told_unfinished,
    write_checkpoint,
)
from nmt.config.data import DataConfig, TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.schema import Config
from nmt.config.training import TranslationTrainConfig
from nmt.errors import CheckpointError
from nmt.inference.recognizer import Recognizer
from nmt.models.build import build_translation
from nmt.text.alphabet import Alphabet
from nmt.text.tokenizer import Tokenizer, Tokenizers

LINES = ["ein Hund läuft", "zwei Hunde laufen", "eine Katze schläft", "a dog runs", "two dogs run", "a cat sleeps"] * 5


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    options = TokenizerConfig(kind="bpe", vocabulary_size=300)
    tokenizer = Tokenizer.train(LINES, config=options)
    model = ModelConfig(embedding_size=8, hidden_size=8)
    config = Config(model=model, tokenizer=options, train=TranslationTrainConfig(max_steps=1))
    torch.manual_seed(0)
    built = build_translation(model, tokenizer.vocabulary_size, tokenizer.vocabulary_size)
    return Checkpoint(config, Tokenizers(tokenizer, tokenizer), built.state_dict(), {"step": 7})


def test_a_checkpoint_comes_back_as_it_was(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt", checkpoint)
    back = read_checkpoint(tmp_path / "a.ckpt")
    assert back.config == checkpoint.config and back.about == checkpoint.about
    assert back.tokenizers.source.model == checkpoint.tokenizers.source.model
    assert back.tokenizers.source is back.tokenizers.target
    arguments = torch.tensor([[5, 6, 3]]), torch.tensor([3]), torch.tensor([[2, 7]])
    assert torch.equal(back.build()(*arguments), checkpoint.build()(*arguments))
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]  # no temporary file stays


def test_tied_weights_are_tied_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt", checkpoint)
    model = read_checkpoint(tmp_path / "a.ckpt").build()
    assert model.source_embedding.weight is model.target_embedding.weight is model.output.weight


def test_a_run_folder_means_its_best_checkpoint_or_else_its_last(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no checkpoints/best\.ckpt or checkpoints/last\.ckpt"):
        find_checkpoint(tmp_path)
    write_checkpoint(tmp_path / "checkpoints" / "last.ckpt", checkpoint)
    assert find_checkpoint(tmp_path).name == "last.ckpt"
    write_checkpoint(tmp_path / "runs" / "one" / "checkpoints" / "last.ckpt", checkpoint)
    with pytest.raises(CheckpointError, match="name a run in it, such as .*/runs/one$"):
        find_checkpoint(tmp_path / "runs")
    for name, written in (("one/checkpoints/best.ckpt", 300), ("two/checkpoints/last.ckpt", 100)):
        write_checkpoint(tmp_path / "runs" / name, checkpoint)
        os.utime(tmp_path / "runs" / name, (written, written))
    os.utime(tmp_path / "runs" / "one" / "checkpoints" / "last.ckpt", (1, 1))
    with pytest.raises(CheckpointError, match=r"such as .*/runs/one \(the newest of 2 runs there\)$"):
        find_checkpoint(tmp_path / "runs")
    write_checkpoint(tmp_path / "checkpoints" / "best.ckpt", checkpoint)
    assert find_checkpoint(tmp_path).name == "best.ckpt"
    with pytest.raises(CheckpointError, match="nowhere: no such file or run folder"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="/dev/null: is neither a file nor a run folder"):
        find_checkpoint("/dev/null")
    for name in ("best", "last"):
        (tmp_path / "checkpoints" / f"{name}.ckpt").unlink()
    (tmp_path / "checkpoints" / "best.ckpt").symlink_to("best-00000007.ckpt")
    write_checkpoint(tmp_path / "checkpoints" / "last-00000009.ckpt", checkpoint)
    message = r"best\.ckpt: leads to best-00000007\.ckpt, which is not there; .* beside it: last-00000009\.ckpt"
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path)


def test_a_run_that_has_not_been_validated_yet_says_which_checkpoint_stands_for_it(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """An interrupted run translated nonsense with its last checkpoint, and nobody said that it was that."""
    validated = checkpoint.config.model_copy(update={"data": DataConfig.model_validate({"validation": "val"})})
    last = tmp_path / "checkpoints" / "last.ckpt"
    write_checkpoint(last, checkpoint)
    assert told_unfinished(tmp_path) is None  # it is never validated: there is no better one
    write_checkpoint(last, replace(checkpoint, config=validated, about={"step": 1360}))
    said = f"{tmp_path} has no best.ckpt yet; using last.ckpt, step 1,360"
    assert told_unfinished(tmp_path) == told_unfinished(str(tmp_path)) == said
    assert told_unfinished(last) is None and told_unfinished(tmp_path / "nowhere") is None
    write_checkpoint(last, replace(checkpoint, config=validated, about={}))
    assert told_unfinished(tmp_path) == said.removesuffix(", step 1,360")
    write_checkpoint(tmp_path / "checkpoints" / "best.ckpt", checkpoint)
    assert told_unfinished(tmp_path) is None


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_checkpoint_is_never_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "exploded"
    torch.save({"nmt": Bomb(trace)}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match=r"evil\.ckpt: refused, it would run code"):
        read_checkpoint(tmp_path / "evil.ckpt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(CheckpointError, match=r"evil\.pkl"):
        read_checkpoint(tmp_path / "evil.pkl")
    assert not trace.exists()


def test_one_flipped_bit_is_found(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Mapped into memory, torch compares no checksum: a damaged matrix translated nonsense and said nothing."""
    path = tmp_path / "flipped.ckpt"
    write_checkpoint(path, checkpoint)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"flipped\.ckpt: damaged \(.* bytes\), the checksum of .* is wrong"):
        read_checkpoint(path)


def test_weights_that_are_not_finite_are_refused(checkpoint: Checkpoint) -> None:
    spoilt = {name: value * float("nan") for name, value in checkpoint.weights.items()}
    with pytest.raises(CheckpointError, match="not finite"):
        Checkpoint(checkpoint.config, checkpoint.tokenizers, spoilt, {}).build()


def test_a_truncated_file_is_said_to_be_one_and_the_others_are_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """It said "File is not a zip file"."""
    path = tmp_path / "cut.ckpt"
    write_checkpoint(path, checkpoint)
    whole = path.read_bytes()
    for keep in (1, 3, 4, 100, *(len(whole) * tenth // 10 for tenth in range(1, 10)), len(whole) - 22, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(CheckpointError, match=rf"cut\.ckpt: cut short.* \({keep:,} bytes\).*; copy it again$"):
            read_checkpoint(path)
    (tmp_path / "last-00000003.ckpt").write_bytes(whole)
    (tmp_path / "best.ckpt").symlink_to("cut.ckpt")
    for name in ("cut.ckpt", "best.ckpt"):
        with pytest.raises(CheckpointError, match=r"copy it again; other checkpoints beside it: last-00000003\.ckpt$"):
            read_checkpoint(tmp_path / name)


def test_a_flipped_byte_anywhere_is_one_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """In each entry and in what lists them, but for bytes that mean nothing (times, attributes, paddings)."""
    path = tmp_path / "flipped.ckpt"
    write_checkpoint(path, checkpoint)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entries, listed = archive.infolist(), archive.start_dir
        held = [archive.read(entry) for entry in entries]
    starts = [whole.index(data, one.header_offset) for one, data in zip(entries, held, strict=True)]
    within = [start + len(data) // 2 for start, data in zip(starts, held, strict=True)]
    for place in (*within, *range(listed, len(whole), 29)):
        content = bytearray(whole)
        content[place] ^= 0x41
        path.write_bytes(content)
        try:
            read_checkpoint(path)
            said = "nothing"
        except CheckpointError as error:
            said = str(error)
        assert said.startswith(f"{path}: ") or (said == "nothing" and place not in within)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"not a checkpoint", r"no checkpoint but text \(16 bytes\); give a \.ckpt file as `train` writes it"),
        ("größer".encode() * 999, "no checkpoint but text"),
        (bytes(5000), "no checkpoint but something else"),
        (pickle.dumps({"a": 1}), r"no checkpoint but a pickle, .* never opened \(21 bytes\)"),
        (gzip.compress(b"PK"), r"compressed, perhaps one \(unpack it: zcat\)"),
        (bz2.compress(b"PK"), r"compressed, perhaps one \(unpack it: bzcat\)"),
        (lzma.compress(b"PK"), r"compressed, perhaps one \(unpack it: xzcat\)"),
        (struct.pack("<Q", 2) + b"{}" + bytes(8), "no checkpoint but safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS .*git lfs pull"),
        (b"<!DOCTYPE html><html>", "no checkpoint but a web page"),
    ],
    ids=["empty", "text", "umlauts", "zeros", "pickle", "gzip", "bzip2", "xz", "safetensors", "lfs", "html"],
)
def test_what_is_no_checkpoint_is_called_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    for read in (read_checkpoint, read_recognition, read_any):
        with pytest.raises(CheckpointError, match=rf"x\.ckpt: {said}|x\.ckpt: no checkpoint but .*{said}"):
            read(path)


def test_foreign_and_future_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(CheckpointError, match=r"no checkpoint but an archive \(.* bytes\) of word/document\.xml"):
        read_checkpoint(path)
    torch.save({"state_dict": {"w": torch.ones(2)}, "pytorch-lightning_version": "2.0"}, path)
    with pytest.raises(CheckpointError, match="a Lightning checkpoint of another program"):
        read_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="a file of another program"):
        read_checkpoint(path)
    torch.save({"nmt": {"format": 99}, "state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="format 99, this version reads 1"):
        read_checkpoint(path)


@pytest.mark.parametrize("damage", ["config", "tokenizers", "state_dict"])
def test_a_damaged_description_is_named(checkpoint: Checkpoint, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.ckpt"
    write_checkpoint(path, checkpoint)
    content = torch.load(path, weights_only=True)
    (content if damage == "state_dict" else content["nmt"])[damage] = 3
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"x\.ckpt: its description is damaged"):
        read_checkpoint(path)


def test_weights_of_another_size_are_refused(checkpoint: Checkpoint) -> None:
    wrong = {name: value[:-1] if value.dim() else value for name, value in checkpoint.weights.items()}
    with pytest.raises(CheckpointError, match="do not fit"):
        Checkpoint(checkpoint.config, checkpoint.tokenizers, wrong, {}).build()
    with pytest.raises(CheckpointError, match=r"do not fit.*Missing key\(s\)") as caught:
        Checkpoint(checkpoint.config, checkpoint.tokenizers, {}, {}).build()
    assert len(str(caught.value)) < 400  # not the names of all


def test_an_average_is_the_mean_of_each_weight(checkpoint: Checkpoint) -> None:
    other = {name: value + 2.0 for name, value in checkpoint.weights.items()}
    second = Checkpoint(checkpoint.config, checkpoint.tokenizers, other, {})
    for name, value in average_weights([checkpoint, second]).items():
        torch.testing.assert_close(value, checkpoint.weights[name] + 1.0)
    larger = checkpoint.config.model_copy(update={"model": ModelConfig(hidden_size=16)})
    with pytest.raises(CheckpointError, match="different models"):
        average_weights([checkpoint, Checkpoint(larger, checkpoint.tokenizers, other, {})])


def test_reading_a_checkpoint_needs_no_lightning(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.ckpt", checkpoint)
    code = (
        "import sys; from nmt.inference.translator import Translator;"
        f" t = Translator.from_checkpoint({str(tmp_path / 'a.ckpt')!r}); t.translate(['ein Hund']);"
        " print([m for m in ('pytorch_lightning', 'wandb', 'datasets', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- a recogniser's


@pytest.mark.parametrize("language_model", [None, b"\\data\\ \xff"])
def test_a_recogniser_comes_back_as_it_was(tmp_path: Path, language_model: bytes | None) -> None:
    before = tiny_recognizer(language_model=language_model)
    write_checkpoint(tmp_path / "a.ckpt", before)
    for back in (read_recognition(tmp_path / "a.ckpt"), read_any(tmp_path / "a.ckpt")):
        assert isinstance(back, RecognitionCheckpoint)
        assert (back.config, back.alphabet, back.about) == (before.config, before.alphabet, {"step": 7})
        assert back.language_model == language_model
        readers = [Recognizer(one.build(), one.alphabet, one.config) for one in (back, before)]
        scores, expected = (reader.frame_scores([scribble(50)])[0] for reader in readers)
        assert torch.equal(scores, expected)


def test_a_task_is_told_from_the_other(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "text.ckpt", checkpoint)
    write_checkpoint(tmp_path / "lines.ckpt", tiny_recognizer())
    assert isinstance(read_any(tmp_path / "text.ckpt"), Checkpoint)
    with pytest.raises(
        CheckpointError, match=r"lines\.ckpt: a recogniser, where a translator .* use it with `recognize`"
    ):
        read_checkpoint(tmp_path / "lines.ckpt")
    with pytest.raises(
        CheckpointError, match=r"text\.ckpt: a translator, where a recogniser .* use it with `translate`"
    ):
        read_recognition(tmp_path / "text.ckpt")
    torch.save({"nmt": {"format": 1, "config": {"task": "speech"}}, "state_dict": {}}, tmp_path / "x.ckpt")
    for read in (read_checkpoint, read_recognition, read_any):
        with pytest.raises(CheckpointError, match=r"x\.ckpt: a model for 'speech'"):
            read(tmp_path / "x.ckpt")


def test_the_oldest_translators_do_not_say_their_task(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.ckpt", checkpoint)
    content = torch.load(tmp_path / "x.ckpt", weights_only=True)
    content["nmt"]["config"].pop("task", None)
    torch.save(content, tmp_path / "x.ckpt")
    assert read_checkpoint(tmp_path / "x.ckpt").config == checkpoint.config
    assert isinstance(read_any(tmp_path / "x.ckpt"), Checkpoint)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alphabet", ["a", "a"]),
        ("alphabet", ["ab"]),
        ("alphabet", []),
        ("alphabet", 3),
        ("alphabet", None),
        ("language_model", "text"),
        ("config", {"task": "recognition", "model": {"layers": 0}}),
        ("config", {"task": "recognition", "tokenizer": {}}),
    ],
)
def test_a_recognisers_damaged_description_is_named(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "x.ckpt"
    write_checkpoint(path, tiny_recognizer())
    content = torch.load(path, weights_only=True)
    content["nmt"][key] = value
    torch.save(content, path)
    for read in (read_recognition, read_any):
        with pytest.raises(CheckpointError, match=r"x\.ckpt: its description is damaged"):
            read(path)


def test_weights_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    """A traceback of torch's, once."""
    path = tmp_path / "x.ckpt"
    write_checkpoint(path, tiny_recognizer())
    content = torch.load(path, weights_only=True)
    content["state_dict"]["model.output.weight"] = 3
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"damaged: model\.output\.weight is int, not a tensor"):
        read_recognition(path)


def test_a_recognisers_weights_must_fit_and_be_finite() -> None:
    one = tiny_recognizer()
    with pytest.raises(CheckpointError, match="do not fit"):
        replace(one, alphabet=Alphabet("abc")).build()
    with pytest.raises(CheckpointError, match="not finite"):
        replace(one, weights={name: value * float("inf") for name, value in one.weights.items()}).build()


def test_an_average_of_recognisers_needs_one_alphabet() -> None:
    one, other = tiny_recognizer(seed=1), tiny_recognizer(seed=2)
    for name, value in average_weights([one, other]).items():
        expected = (one.weights[name].double() + other.weights[name].double()) / 2
        torch.testing.assert_close(value, expected.to(value.dtype))
    turned = replace(other, alphabet=Alphabet(other.alphabet.symbols[::-1]))
    with pytest.raises(CheckpointError, match="same tokenizer or alphabet"):
        average_weights([one, turned])
