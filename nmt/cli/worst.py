"""The sentences that came out worst, with their sources: on the terminal, as a table, as a page."""

import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.metrics.bleu import SentenceScore

SUFFIXES: Final = (".tsv", ".html")
STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% }
th { text-align: left; color: #777; font-weight: 400; border-bottom: 2px solid #ddd }
th, td { padding: .4em .8em; vertical-align: top }
td { border-bottom: 1px solid #eee }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.hypothesis { font-weight: 600 }
"""


class BadSentence(NamedTuple):
    """One sentence of a system, with all that is known of it."""

    system: str
    line: int  # counted from 1
    score: float  # per cent
    texts: dict[str, str]  # source (where known), reference, hypothesis: what it is called, and its text


def worst_sentences(
    system: str, scores: Sequence["SentenceScore"], *, by: str, count: int, texts: dict[str, Sequence[str]]
) -> list[BadSentence]:
    """The `count` sentences with the lowest score by the metric `by`, worst first; equal ones in their order."""
    numbers = [float(getattr(score, by)) for score in scores]
    chosen = sorted(range(len(numbers)), key=lambda index: numbers[index])[:count]
    return [
        BadSentence(system, index + 1, numbers[index], {name: lines[index] for name, lines in texts.items()})
        for index in chosen
    ]


def check_worst_file(path: Path) -> None:
    """Raise ConfigError unless the name says which form is wanted."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--worst-file {path}: name it something.tsv or something.html")


def worst_json(sentences: Sequence[BadSentence]) -> list[dict[str, Any]]:
    """One object a sentence."""
    return [
        {"system": one.system, "line": one.line, "score": one.score, **{k: _flat(v) for k, v in one.texts.items()}}
        for one in sentences
    ]


def worst_text(sentences: Sequence[BadSentence], *, metric: str, total: int) -> str:
    """For a terminal, the texts of a sentence one below the other."""
    blocks = []
    for system in dict.fromkeys(one.system for one in sentences):
        chosen = [one for one in sentences if one.system == system]
        lines = [f"{len(chosen):,} worst of {total:,} sentences by {metric}: {system}", f"{'line':>8}{metric:>9}"]
        for one in chosen:
            width = max(map(len, one.texts))
            rows = [f"{name:<{width}}  {_flat(text)}".rstrip() for name, text in one.texts.items()]
            lines.append(f"{one.line:>8,}{one.score:>9.2f}  {rows[0]}")
            lines += [f"{'':19}{row}" for row in rows[1:]]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def worst_file(sentences: Sequence[BadSentence], path: Path, *, metric: str) -> str:
    """What belongs into a file of this name."""
    return _page(sentences, metric) if path.suffix.lower() == ".html" else _table(sentences, metric)


def _table(sentences: Sequence[BadSentence], metric: str) -> str:
    """Tab-separated with a header; white space inside a text becomes one space."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(["system", "line", metric, *sentences[0].texts])
    for one in sentences:
        writer.writerow([_flat(one.system), one.line, f"{one.score:.2f}", *map(_flat, one.texts.values())])
    return stream.getvalue()


def _page(sentences: Sequence[BadSentence], metric: str) -> str:
    """A page that needs nothing but itself; text runs in the direction of its script."""
    parts = []
    for system in dict.fromkeys(one.system for one in sentences):
        chosen = [one for one in sentences if one.system == system]
        names = "".join(f"<th>{html.escape(name)}</th>" for name in chosen[0].texts)
        head = f'<tr><th class="number">line</th><th class="number">{html.escape(metric)}</th>{names}</tr>'
        parts.append(f"<h2>{html.escape(system)}</h2>\n<table>\n{head}\n{''.join(map(_row, chosen))}</table>")
    title = f"The worst sentences by {html.escape(metric)}"
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{''.join(parts)}\n</body></html>\n"
    )


def _row(one: BadSentence) -> str:
    texts = "".join(
        f'<td class="{html.escape(name)}" dir="auto">{html.escape(_flat(text))}</td>'
        for name, text in one.texts.items()
    )
    return f'<tr><td class="number">{one.line:,}</td><td class="number">{one.score:.1f}</td>{texts}</tr>\n'


def _flat(text: str) -> str:
    return " ".join(text.split())
