"""What both writers make of placed lines: characters that XML holds, and places from which the same lines are cut."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from written_pages import ALTO, BOX, PAGE, Format, line

from nmt.data.lines.pages import read_page
from nmt.data.lines.picture import Cutout

every_format = pytest.mark.parametrize("form", [ALTO, PAGE], ids=lambda form: form.name)


@every_format
def test_what_xml_cannot_hold_is_replaced(tmp_path: Path, form: Format) -> None:
    found = form.read(tmp_path, form.document(line("a\x00\x0b\ufffe\tb")))
    assert found.lines[0].text == "a\ufffd\ufffd\ufffd\tb"


@every_format
def test_the_lines_of_a_written_page_are_cut_as_those_of_the_page_it_was_read_from(
    tmp_path: Path, form: Format
) -> None:
    Image.fromarray(np.full((80, 100), 200, dtype=np.uint8)).save(tmp_path / "page.png")
    path = tmp_path / "again.xml"
    path.write_text(form.document(line("ab", baseline=((0.0, 1.0), (2.0, 1.0)))), encoding="utf-8")
    (again,) = read_page(str(path))
    assert again.recording == Cutout(str(tmp_path / "page.png"), form.box, ((0.0, 1.0), (2.0, 1.0)))
    assert (form.box == BOX) == (form is ALTO)  # PAGE has whole pixels alone
