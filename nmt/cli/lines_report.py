"""One HTML page of how lines were read: rates, worst lines with their images, confusions, calibration, bad lines.

The page holds all it shows and asks nothing of a network; a policy in its head forbids scripts and any other source, so
that a transcript with markup in it is a transcript.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from nmt.cli.line_drawing import drawing
from nmt.cli.lines_findings import Findings, ReadLine
from nmt.errors import DataError
from nmt.metrics.edits import Edit, ErrorCounts
from nmt.metrics.error_rate import Rates, character_alignment, character_errors, word_errors

if TYPE_CHECKING:
    from nmt.metrics.calibration import Calibration
    from nmt.metrics.writers import Interval

CONFUSIONS: Final = 40  # rows of the table


def page(found: Findings, *, title: str, worst: int) -> str:
    """The page; `worst` lines are drawn, those with most wrong characters first."""
    bad = [line for line in found.lines if line.problem is not None]
    sections = [
        _summary(found, bad),
        _worst(found, worst),
        _confusions(found),
        *map(_calibration, found.calibration),
        _writers(found),
        _bad(bad),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{_text(title)}</h1>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )


def worst_lines(lines: Sequence[ReadLine], rates: Rates, count: int) -> list[int]:
    """Positions of the lines with most wrong characters; of equally many, the shorter line first. None without."""
    errors = [character_errors(*line.pair, rates.measure) for line in lines]
    order = sorted(range(len(lines)), key=lambda index: (-errors[index].errors, errors[index].reference))
    return [index for index in order if errors[index].errors][:count]


# --- sections


def _summary(found: Findings, bad: Sequence[ReadLine]) -> str:
    rates = found.rates
    unread = sum(line.hypothesis is None for line in bad)
    tiles = [
        ("CER", _percent(rates.cer), _span(rates.cer_interval)),
        ("WER", _percent(rates.wer), _span(rates.wer_interval)),
        ("lines wholly right", _percent(rates.right_lines / rates.lines), f"{rates.right_lines:,} of {rates.lines:,}"),
        ("bad lines", f"{len(bad):,}", f"{unread:,} not read at all" if bad else "none"),
    ]
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd><dd>{note}</dd></div>" for name, value, note in tiles)
    counts = rates.characters
    kinds = f"{counts.substitutions:,} substituted, {counts.deletions:,} left out, {counts.insertions:,} invented"
    interval = f"<p>{_text(rates.cer_interval.described)}.</p>" if rates.cer_interval else ""
    about = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in found.about.items())
    return (
        f'<dl class="tiles">{shown}</dl><p>{kinds}, of {counts.reference:,} characters.</p>{interval}'
        f"<p><code>{rates.measure.signature('cer')}</code><br><code>{rates.measure.signature('wer')}</code></p>"
        f'<table class="about">{about}</table>'
    )


def _worst(found: Findings, count: int) -> str:
    chosen = worst_lines(found.lines, found.rates, count)
    cards = "".join(_card(found, index) for index in chosen)
    legend = (
        '<p>Most wrong characters first. Above the truth, below what was read: <span class="cell sub"><b>a</b><i>o</i>'
        '</span> substituted, <span class="cell del"><b>a</b><i>–</i></span> left out, <span class="cell ins"><b>–</b>'
        "<i>a</i></span> invented. Under an image: the characters where they were read, paler where less sure.</p>"
    )
    nothing = "<p>Every line was read without an error.</p>"
    return f'<h2 id="worst">Worst lines</h2>{legend + cards if cards else nothing}'


def _card(found: Findings, index: int) -> str:
    line = found.lines[index]
    counts = character_errors(*line.pair, found.rates.measure)
    sure = "" if line.confidence is None else f" · confidence {line.confidence:.2f}"
    writer = f" · {_text(line.writer)}" if line.writer else ""
    problem = "" if line.problem is None else f'<p class="problem">{_text(line.problem)}</p>'
    edits = character_alignment(*line.pair, found.rates.measure)
    return (
        f'<article id="line{index}"><h3>{_text(line.name)}</h3>'
        f"<p>{counts.errors} errors, CER {_percent(counts.rate)}{sure}{writer}</p>{problem}{_picture(line)}"
        f'<p class="cells">{"".join(map(_cell, edits))}</p></article>'
    )


def _picture(line: ReadLine) -> str:
    if line.recording is None:
        return ""
    try:
        return drawing(line.recording.read(), line.characters, name=_text(line.name))
    except DataError as error:  # the file may have gone since it was read
        return "" if line.problem else f'<p class="problem">{_text(str(error))}</p>'


def _cell(edit: Edit) -> str:
    kind = "" if not edit.is_error else "ins" if edit.reference is None else "del" if not edit.hypothesis else "sub"
    above, below = (_symbol(one, wrong=edit.is_error) for one in edit)
    return f'<span class="cell {kind}"><b>{above}</b><i>{below}</i></span>' if kind else _pair(above, below)


def _pair(above: str, below: str) -> str:
    return f'<span class="cell"><b>{above}</b><i>{below}</i></span>'


def _confusions(found: Findings) -> str:
    if not found.confusions:
        return ""
    chosen = set(worst_lines(found.lines, found.rates, len(found.lines)))
    rows = []
    for one in found.confusions[:CONFUSIONS]:
        read = f"{_symbol(one.reference, wrong=True)} → {_symbol(one.hypothesis, wrong=True)}"
        share = _percent(one.times / one.occurrences) if one.occurrences else ""
        lines = ", ".join(_text(found.lines[index].name) for index in one.lines if index in chosen)
        rows.append(
            f'<tr><td>{one.kind}</td><td class="symbols">{read}</td><td class="number">{one.times:,}</td>'
            f'<td class="number">{share}</td><td class="names">{lines}</td></tr>'
        )
    kinds = len(found.confusions)
    return (
        f"<h2>Confusions</h2><p>The {min(kinds, CONFUSIONS)} commonest of {kinds:,} kinds. The share is of all such"
        " characters in the truth; of an invented one, in what was read.</p>"
        "<table><tr><th>kind</th><th>truth → read</th><th>times</th><th>share</th><th>for example</th></tr>"
        f"{''.join(rows)}</table>"
    )


def _calibration(found: "Calibration") -> str:
    rows = "".join(
        f'<tr><td>{one.low:.1f} – {one.high:.1f}</td><td class="number">{one.number:,}</td>'
        f'<td class="number">{one.confidence:.3f}</td><td class="number">{one.right:.3f}</td></tr>'
        for one in found.bins
    )
    said = found.as_text()
    return (
        f"<h2>Calibration of {found.of}</h2><p>Of the {found.of} read with a confidence of 0.8, eight in ten should be"
        f" right: on the diagonal. {_text(said[0].upper() + said[1:])}.</p>"
        f'<div class="beside">{_reliability(found)}<table><tr><th>confidence</th><th>{found.of}</th><th>mean</th>'
        f"<th>share right</th></tr>{rows}</table></div>"
    )


def _reliability(found: "Calibration") -> str:
    """The reliability diagram; a dot's area is its share of all."""
    side = 260
    dots = "".join(
        f'<circle cx="{side * one.confidence:.1f}" cy="{side * (1 - one.right):.1f}"'
        f' r="{3 + 17 * (one.number / found.number) ** 0.5:.1f}"><title>{one.number} {found.of}</title></circle>'
        for one in found.bins
    )
    ticks = "".join(
        f'<path class="grid" d="M{side * t / 4} 0V{side}M0 {side * t / 4}H{side}"/>'
        f'<text x="{side * t / 4}" y="{side + 16}" text-anchor="middle">{t / 4:g}</text>'
        f'<text x="-6" y="{side - side * t / 4 + 4}" text-anchor="end">{t / 4:g}</text>'
        for t in range(5)
    )
    return (
        f'<svg class="plot" viewBox="-52 -22 {side + 76} {side + 62}" role="img" aria-label="reliability diagram">'
        f'{ticks}<path class="diagonal" d="M0 {side}L{side} 0"/>{dots}'
        f'<text x="{side / 2}" y="{side + 36}" text-anchor="middle">mean confidence</text>'
        f'<text transform="translate(-36 {side / 2}) rotate(-90)" text-anchor="middle">share right</text></svg>'
    )


def _writers(found: Findings) -> str:
    """A row a writer, the worst first; nothing where fewer than two are known."""
    own: defaultdict[str, list[ReadLine]] = defaultdict(list)
    for line in found.lines:
        own[line.writer].append(line)
    if len(own) < 2:
        return ""
    measure = found.rates.measure
    table = []
    for writer, lines in own.items():
        pairs = [line.pair for line in lines]
        characters = sum((character_errors(*pair, measure) for pair in pairs), start=ErrorCounts())
        words = sum((word_errors(*pair, measure) for pair in pairs), start=ErrorCounts())
        table.append((writer or "(unknown)", len(lines), characters.rate, words.rate))
    rows = "".join(
        f'<tr><td>{_text(writer)}</td><td class="number">{count:,}</td><td class="number">{_percent(cer)}</td>'
        f'<td class="number">{_percent(wer)}</td></tr>'
        for writer, count, cer, wer in sorted(table, key=lambda row: -row[2])
    )
    head = "<tr><th>writer</th><th>lines</th><th>CER</th><th>WER</th></tr>"
    return f"<h2>Writers</h2><table>{head}{rows}</table>"


def _bad(bad: Sequence[ReadLine]) -> str:
    if not bad:
        return ""
    rows = "".join(f"<tr><td>{_text(line.name)}</td><td>{_text(line.problem or '')}</td></tr>" for line in bad)
    said = "Each character of a line that could not be read is an error; the others were read, and count as they are."
    return f"<h2>Bad lines</h2><p>{said}</p><table><tr><th>line</th><th>why</th></tr>{rows}</table>"


# --- texts and numbers


def _text(text: str) -> str:
    """Text for HTML: markup escaped, and what no page can hold (control characters, half surrogates) as U+FFFD."""
    clean = "".join("\ufffd" if unicodedata.category(one) in ("Cc", "Cs") and one != "\n" else one for one in text)
    return escape(clean)


def _symbol(character: str | None, *, wrong: bool) -> str:
    """One character so that it can be seen: a wrong space as ␣, an accent alone on a dotted ring, others by number."""
    if character is None:
        return "–"
    if character.isspace():
        return "␣" if wrong else "&nbsp;"
    if unicodedata.category(character[0]) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return f"U+{ord(character[0]):04X}"
    return escape("◌" + character if unicodedata.combining(character[0]) else character)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share < float("inf") else "∞"


def _span(interval: "Interval | None") -> str:
    return "" if interval is None else f"{100 * interval.low:.2f} – {100 * interval.high:.2f}"


STYLE: Final = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2126; --faint: #69727d; --line: #d9dee4; --card: #f6f7f9;
  --sub: #ffd9a8; --del: #ffc4c4; --ins: #c3dcff; --dot: #2c6fbb }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e4e7eb; --faint: #98a2ad; --line: #333a42;
  --card: #1d2226; --sub: #7a4d12; --del: #7c2a2a; --ins: #1f4a80; --dot: #79b0ee } }
body { font: 15px/1.5 system-ui, sans-serif; background: var(--paper); color: var(--ink); margin: 2rem auto;
  max-width: 76rem; padding: 0 1.2rem }
h1 { font-size: 1.6rem; overflow-wrap: anywhere } h2 { font-size: 1.25rem; margin-top: 2.5rem }
h3 { font-size: .95rem; margin: 0; overflow-wrap: anywhere }
code { font-size: .85em; color: var(--faint) }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1.2rem;
  min-width: 9rem }
.tiles dt, .tiles dd:last-child { color: var(--faint); font-size: .85rem; min-height: 1.3em }
.tiles dd { margin: 0; font-size: 1.7rem; font-variant-numeric: tabular-nums }
table { border-collapse: collapse } th { text-align: left; color: var(--faint); font-weight: 400 }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere }
.about th, .number, .symbols { white-space: nowrap } .number { text-align: right; font-variant-numeric: tabular-nums }
.symbols, .cells { font-family: ui-monospace, "DejaVu Sans Mono", monospace } .names { color: var(--faint) }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
  margin: .8rem 0 }
article p { margin: .2rem 0; color: var(--faint) } article .cells { color: var(--ink); margin-top: .6rem }
figure { margin: .6rem 0 } figure img, figure svg { display: block; width: 100%; height: auto }
figure img { background: #fff } .pen { fill: none; stroke: currentColor; stroke-linecap: round;
  stroke-linejoin: round }
.marks path { stroke: var(--faint); stroke-width: 1 }
.marks text { font: 12px system-ui, sans-serif; text-anchor: middle; fill: currentColor }
.cell { display: inline-flex; flex-direction: column; align-items: center; line-height: 1.35; border-radius: 3px;
  padding: 0 1px; margin-bottom: .35rem; unicode-bidi: isolate }
.cell b, .cell i { font: inherit } .cell i { color: var(--faint) } .sub i, .del i, .ins i { color: inherit }
.cell.sub { background: var(--sub) } .cell.del { background: var(--del) } .cell.ins { background: var(--ins) }
article .problem { color: inherit; font-weight: 600; overflow-wrap: anywhere }
.beside { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }
.plot { width: 21rem; font: 12px system-ui, sans-serif; fill: var(--faint) }
.grid { stroke: var(--line) } .diagonal { stroke: var(--faint); stroke-dasharray: 5 4 }
.plot circle { fill: var(--dot); fill-opacity: .65 }
"""
