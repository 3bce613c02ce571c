"""The page itself: its style, its sections, tables and words; everything in it is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --faint: #5a6570; --line: #d9dee3; --paper: #fff; --tint: #eef4f8;
  --mark: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --faint: #a0acb8; --line: #39424b; --paper: #14181c;
  --tint: #1d2831; --mark: #56b4e9; } }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 74rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .35rem; overflow-wrap: anywhere; }
a { color: var(--mark); } p, ul { max-width: 46rem; margin: .4rem 0 .9rem; overflow-wrap: anywhere; }
.faint, figcaption, caption { color: var(--faint); font-size: .875rem; }
.lead { background: var(--tint); border-left: 4px solid var(--mark); padding: .8rem 1rem; }
nav ol { columns: 16rem; padding-left: 1.4rem; margin: .75rem 0; max-width: 46rem; }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .75rem;
  margin: .5rem 0 1.25rem; align-items: start; }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem; margin: .35rem 0 1rem; align-items: flex-start; }
.tiles figure { max-width: 100%; width: min-content; }
.pair { display: inline-flex; gap: 2px; margin-right: 1rem; }
.wide { grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
figure { margin: 0; } figcaption { overflow-wrap: anywhere; line-height: 1.35; margin-top: .25rem; }
.picture { display: block; position: relative; width: max-content; max-width: 100%; line-height: 0; }
.row .picture { width: 100%; }
img { max-width: 100%; height: auto; display: block; image-rendering: pixelated; border-radius: 3px; }
.row img, .wide img { width: 100%; }
.picture .mask { position: absolute; inset: 0; width: 100%; height: 100%; }
.picture:hover .mask, body:has(#plain:checked) .mask { opacity: 0; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; } caption { text-align: left; padding-bottom: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap;
  vertical-align: top; }
th { font-weight: 600; color: var(--faint); font-size: .875rem; } th:first-child, td:first-child { text-align: left; }
tr.best td { font-weight: 650; } tbody th { color: var(--ink); }
.words th, .words td { text-align: left; }
.matrix { font-size: .8rem; width: 100%; } .across .matrix { min-width: 62rem; } .matrix th { font-size: .78rem;
  white-space: normal; }
.matrix thead th { vertical-align: bottom; hyphens: auto; }
.matrix th, .matrix td { padding: .3rem .5rem .3rem 0; } .matrix small { display: block; color: var(--faint);
  font-size: .68rem; line-height: 1.3; font-weight: 400; } .matrix tr.originals td, .matrix tr.originals th {
  background: var(--tint); border-top: 2px solid var(--line); }
.matrix th:first-child { min-width: 8rem; overflow-wrap: anywhere; position: sticky; left: 0;
  background: var(--paper); }
.matrix td { white-space: normal; } .matrix .best { text-decoration: underline; text-underline-offset: .2em; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--faint); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 .8em;
  outline: 1px solid #8888; }
pre { font-size: .8rem; overflow-x: auto; background: var(--tint); padding: .75rem; }
details { margin: .4rem 0 1rem; } summary { cursor: pointer; color: var(--mark); overflow-wrap: anywhere; }
@page { size: A4; margin: 14mm; } @page across { size: A4 landscape; margin: 12mm; }
@media print { :root { --ink: #000; --faint: #444; --line: #bbb; --paper: #fff; --tint: #f2f2f2; --mark: #0072b2; }
  body { max-width: none; padding: 0; font-size: 11pt; } h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; } .scroll { overflow: visible; } .across .matrix { min-width: 0; }
  .across { page: across; } label { display: none; }
  .matrix { font-size: 7.5pt; } .matrix th, .matrix small { font-size: 6.5pt; } }
@media (max-width: 40rem) { body { padding: 1rem .75rem 3rem; } td:first-child { white-space: normal;
  min-width: 8rem; } }
"""


@dataclass(frozen=True)
class Section:
    """One part of the page: its heading, the name that links use, and its HTML."""

    title: str
    anchor: str
    html: str

    def __str__(self) -> str:
        return f'<section id="{self.anchor}">\n<h2>{escape(self.title)}</h2>\n{self.html}</section>\n'


def page(title: str, head: str, sections: Sequence[Section], foot: str) -> str:
    """The whole document, with a table of contents above the sections."""
    links = "".join(f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>' for one in sections)
    contents = f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n' if sections else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body>\n{head}{contents}{''.join(map(str, sections))}{foot}</body></html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; nothing when the text is empty."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>\n" if text else ""


def fold(summary: str, html: str, shown: bool = False) -> str:
    """What a reader opens by a click."""
    return f"<details{' open' if shown else ''}><summary>{escape(summary)}</summary>{html}</details>\n"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], best: int | None = None, words: bool = False, caption: str = ""
) -> str:
    """A table of plain text; the row ``best`` is bold, ``words`` sets all columns to the left."""
    cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    lines = [
        f"<tr{' class=best' if number == best else ''}>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>"
        for number, row in enumerate(rows)
    ]
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f"<div class=scroll><table{' class=words' if words else ''}>{above}<thead><tr>{cells}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>\n"
    )


def number(value: Any) -> str:
    """Three digits, with a power of ten only below a thousandth."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def count(value: int, word: str, words: str = "") -> str:
    """A number with its noun: ``1 run``, ``2 runs``, ``1,200 copies``."""
    return f"{value:,} {word if value == 1 else words or word + 's'}"
