"""How a report of lines looks: its style sheet, and texts and numbers so that a page can show them."""

import unicodedata
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nmt.metrics.writers import Interval


def clean_text(text: str) -> str:
    """Text for HTML: markup escaped, and what no page can hold (control characters, half surrogates) as U+FFFD."""
    clean = "".join("\ufffd" if unicodedata.category(one) in ("Cc", "Cs") and one != "\n" else one for one in text)
    return escape(clean)


def shown_symbol(character: str | None, *, wrong: bool) -> str:
    """One character so that it can be seen: a wrong space as ␣, an accent alone on a dotted ring, others by number."""
    if character is None:
        return "–"
    if character.isspace():
        return "␣" if wrong else "&nbsp;"
    if unicodedata.category(character[0]) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return f"U+{ord(character[0]):04X}"
    return escape("◌" + character if unicodedata.combining(character[0]) else character)


def percent(share: float) -> str:
    """With two decimals."""
    return f"{100 * share:.2f} %" if share < float("inf") else "∞"


def span(interval: "Interval | None") -> str:
    """An interval in per cent."""
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
.plot polyline { fill: none; stroke: var(--dot) } .plot .found { stroke-width: 2.5 } .plot .best { stroke-width: .8 }
"""
