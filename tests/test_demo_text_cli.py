"""`demo-text`: what lies in the files is what `demo:SPLIT` trains on."""

from pathlib import Path

import pytest

from nmt.cli.demo_text import main
from nmt.data.demo import generate


def test_files_hold_the_corpus_line_for_line(tmp_path: Path) -> None:
    assert main(["--output", str(tmp_path / "new" / "text"), "--splits", "test,validation"]) == 0
    for split in ("test", "validation"):
        german = (tmp_path / "new" / "text" / f"{split}.de").read_bytes().decode().split("\n")
        english = (tmp_path / "new" / "text" / f"{split}.en").read_bytes().decode().split("\n")
        assert german.pop() == english.pop() == ""  # the last line ends, too
        assert list(zip(german, english, strict=True)) == generate(split)
    assert not (tmp_path / "new" / "text" / "train.de").exists()


def test_an_unknown_split_and_a_file_in_the_way_are_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path), "--splits", "test,trian"]) == 2
    assert "'trian' is none of train, validation, test, test_long, test_new" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["--output", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'file'}: is a file")
