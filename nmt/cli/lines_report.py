"""One HTML page of how lines were read: rates, worst lines with their images, confusions, confidences, bad lines.

The page holds all it shows and asks nothing of a network; a policy in its head forbids scripts and any other source, so
that a transcript with markup in it is a transcript.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from nmt.cli.line_drawing import drawing
from nmt.cli.lines_charts import calibration_section, proofreading_section
from nmt.cli.lines_findings import Findings, ReadLine
from nmt.cli.lines_style import STYLE, clean_text, percent, shown_symbol, span
from nmt.errors import DataError
from nmt.metrics.edits import Edit, ErrorCounts
from nmt.metrics.error_rate import Rates, character_alignment, character_errors, word_errors

CONFUSIONS: Final = 40  # rows of the table


def page(found: Findings, *, title: str, worst: int) -> str:
    """The page; `worst` lines are drawn, those with most wrong characters first."""
    bad = [line for line in found.lines if line.problem is not None]
    sections = [
        _summary(found, bad),
        _worst(found, worst),
        _confusions(found),
        proofreading_section(found.proofreading),
        *map(calibration_section, found.calibration),
        _writers(found),
        _bad(bad),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{clean_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{clean_text(title)}</h1>\n"
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
        ("CER", percent(rates.cer), span(rates.cer_interval)),
        ("WER", percent(rates.wer), span(rates.wer_interval)),
        ("lines wholly right", percent(rates.right_lines / rates.lines), f"{rates.right_lines:,} of {rates.lines:,}"),
        ("bad lines", f"{len(bad):,}", f"{unread:,} not read at all" if bad else "none"),
    ]
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd><dd>{note}</dd></div>" for name, value, note in tiles)
    counts = rates.characters
    kinds = f"{counts.substitutions:,} substituted, {counts.deletions:,} left out, {counts.insertions:,} invented"
    interval = f"<p>{clean_text(rates.cer_interval.described)}.</p>" if rates.cer_interval else ""
    about = "".join(
        f"<tr><th>{clean_text(name)}</th><td>{clean_text(value)}</td></tr>" for name, value in found.about.items()
    )
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
    writer = f" · {clean_text(line.writer)}" if line.writer else ""
    problem = "" if line.problem is None else f'<p class="problem">{clean_text(line.problem)}</p>'
    edits = character_alignment(*line.pair, found.rates.measure)
    errors = "1 error" if counts.errors == 1 else f"{counts.errors:,} errors"
    return (
        f'<article id="line{index}"><h3>{clean_text(line.name)}</h3>'
        f"<p>{errors}, CER {percent(counts.rate)}{sure}{writer}</p>{problem}{_picture(line)}"
        f'<p class="cells">{"".join(map(_cell, edits))}</p></article>'
    )


def _picture(line: ReadLine) -> str:
    if line.recording is None:
        return ""
    try:
        return drawing(line.recording.read(), line.characters, name=clean_text(line.name))
    except DataError as error:  # the file may have gone since it was read
        return "" if line.problem else f'<p class="problem">{clean_text(str(error))}</p>'


def _cell(edit: Edit) -> str:
    kind = "" if not edit.is_error else "ins" if edit.reference is None else "del" if not edit.hypothesis else "sub"
    above, below = (shown_symbol(one, wrong=edit.is_error) for one in edit)
    return f'<span class="cell {kind}"><b>{above}</b><i>{below}</i></span>' if kind else _pair(above, below)


def _pair(above: str, below: str) -> str:
    return f'<span class="cell"><b>{above}</b><i>{below}</i></span>'


def _confusions(found: Findings) -> str:
    if not found.confusions:
        return ""
    chosen = set(worst_lines(found.lines, found.rates, len(found.lines)))
    rows = []
    for one in found.confusions[:CONFUSIONS]:
        read = f"{shown_symbol(one.reference, wrong=True)} → {shown_symbol(one.hypothesis, wrong=True)}"
        share = percent(one.times / one.occurrences) if one.occurrences else ""
        lines = ", ".join(clean_text(found.lines[index].name) for index in one.lines if index in chosen)
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
        f'<tr><td>{clean_text(writer)}</td><td class="number">{count:,}</td><td class="number">{percent(cer)}</td>'
        f'<td class="number">{percent(wer)}</td></tr>'
        for writer, count, cer, wer in sorted(table, key=lambda row: -row[2])
    )
    head = "<tr><th>writer</th><th>lines</th><th>CER</th><th>WER</th></tr>"
    return f"<h2>Writers</h2><table>{head}{rows}</table>"


def _bad(bad: Sequence[ReadLine]) -> str:
    if not bad:
        return ""
    rows = "".join(
        f"<tr><td>{clean_text(line.name)}</td><td>{clean_text(line.problem or '')}</td></tr>" for line in bad
    )
    said = "Each character of a line that could not be read is an error; the others were read, and count as they are."
    return f"<h2>Bad lines</h2><p>{said}</p><table><tr><th>line</th><th>why</th></tr>{rows}</table>"
