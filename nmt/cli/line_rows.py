"""How `recognize` writes a line: its text alone, a row of a table, or everything as JSON."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nmt.inference.recognition import Reading, Recognition

Row = Callable[[str, "Recognition | str"], str]  # of a line's name and what became of it, or why nothing did

HEADER: Final = "file\ttext\tconfidence"


def text_row(name: str, found: "Recognition | str") -> str:
    """The text; empty where there is none."""
    return "" if isinstance(found, str) else _in_one_line(found.text)


def table_row(name: str, found: "Recognition | str") -> str:
    """Name, text and confidence; the last two empty where the line could not be read."""
    if isinstance(found, str):
        return f"{_in_one_line(name)}\t\t"
    return f"{_in_one_line(name)}\t{_in_one_line(found.text)}\t{found.confidence:.4g}"


def json_row(name: str, found: "Recognition | str", *, nbest: bool = False, boxes: bool = True) -> str:
    """Everything: {"file", "text", "confidence", "line_confidence", "log_likelihood"}, characters with boxes, n-best;
    or {"error"}."""
    if isinstance(found, str):
        return _json({"file": name, "error": found})
    row = {"file": name, "text": found.text, **_certainty(found)}
    if boxes:
        row["characters"] = [
            {
                "symbol": character.symbol,
                "box": [round(edge, 2) for edge in character.box],
                "confidence": round(character.confidence, 4),
            }
            for character in found.characters
        ]
    if nbest:
        row["nbest"] = [{"text": one.text, **_certainty(one), "score": round(one.score, 4)} for one in found.nbest]
    return _json(row)


def _certainty(one: "Reading | Recognition") -> dict[str, float]:
    shares = {"confidence": one.confidence, "line_confidence": one.line_confidence}
    return {
        **{name: float(f"{value:.4g}") for name, value in shares.items()},
        "log_likelihood": round(one.log_likelihood, 4),
    }


def _json(row: dict[str, Any]) -> str:
    """In one line that is UTF-8 whatever the name of a file: bytes that are no character are written as escapes."""
    text = json.dumps(row, ensure_ascii=False)
    return text if _is_utf8(text) else json.dumps(row)


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _in_one_line(text: str) -> str:
    """Line ends and tabs, which no row may hold, as spaces; bytes of a name that are no character as U+FFFD."""
    text = " ".join(text.splitlines()).replace("\t", " ")
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
