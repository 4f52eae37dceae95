"""The report of a rehearsal as one page that needs nothing beside itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from html import escape

from iris.operations.rehearsal_report import Report
from iris.operations.rehearsal_timeline import Span, Track

# One colour for each kind of phase; what is not named is grey.
_HUES = {
    "there": 210,
    "requested": 45,
    "creating": 35,
    "booting": 200,
    "ready": 140,
    "ran": 140,
    "draining": 60,
    "preempted": 0,
    "failed": 0,
    "lost": 0,
    "deleting": 280,
}
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --line: #d8dade;
  --soft: #5d636b; --good: #1a7f37; --bad: #c62828; --light: 62%; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #16181b;
  --line: #363a40; --soft: #9aa1aa; --good: #4cc26b; --bad: #ff7b72; --light: 45%; } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { color: var(--soft); margin: .2rem 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.kept { color: var(--good); font-weight: 600 }
.broken { color: var(--bad); font-weight: 600 }
.track { display: grid; grid-template-columns: minmax(12rem, 26%) 1fr; gap: .6rem;
  align-items: center; border-bottom: 1px solid var(--line); min-height: 1.7rem }
.track .name { font-size: .85rem; overflow-wrap: anywhere }
.track .kind { color: var(--soft) }
.lane { position: relative; height: 1.1rem }
.span { position: absolute; top: 0; height: 100%; min-width: 2px; border-radius: 2px;
  overflow: hidden; white-space: nowrap; font-size: .7rem; line-height: 1.1rem;
  color: #fff; padding: 0 2px; background: hsl(var(--hue), var(--sat), var(--light)) }
.axis { color: var(--soft); font-size: .75rem; display: flex;
  justify-content: space-between }
"""


def page_of(report: Report) -> str:
    """The page."""
    title = f"Rehearsal of {report.cluster}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}: {_verdict(report.is_kept)}</h1>",
            f"<p>{escape(_what(report))}</p>",
            "<h2>Promises</h2>",
            _table(("Promise", "Outcome", "In words"), _promises(report)),
            "<h2>What was injected, and how the cluster took it</h2>",
            _table(("At", "Fault", "What", "What followed"), _injected(report)),
            "<h2>Timeline</h2>",
            *_timeline(report),
            "<h2>What it would have cost</h2>",
            _table(
                ("Resource", "Type", "Sold as", "Billed", "USD an hour", "USD"),
                _costs(report),
            ),
            f"<p>{escape(report.prices_said)}</p>",
            "</body></html>",
            "",
        ]
    )


def _what(report: Report) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.began))
    return (
        f"{report.config_path}, {at}, {report.seconds:.1f} s, seed {report.seed}. "
        "All of it on one machine: no cloud was spoken to, nothing was billed."
    )


def _verdict(is_kept: bool) -> str:
    words, kind = ("kept", "kept") if is_kept else ("BROKEN", "broken")
    return f'<span class="{kind}">{words}</span>'


def _promises(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.promises:
        yield escape(each.name), _verdict(each.is_kept), escape(each.words)


def _injected(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.injected:
        words = (f"{each.times} x {each.kind}", each.what, each.taken)
        yield (f"{each.at:.1f} s", *map(escape, words))


def _costs(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.costs:
        yield (
            escape(f"{each.kind} {each.name}"),
            escape(each.type),
            escape(each.capacity),
            f"{each.billed_seconds:.1f} s",
            "-" if each.usd_per_hour is None else f"{each.usd_per_hour:.3f}",
            "-" if each.usd is None else f"{each.usd:.4f}",
        )
    yield "<strong>together</strong>", "", "", "", "", f"{report.usd:.4f}"


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Cells are HTML already."""
    lines = ["<tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows]
    if len(lines) == 1:
        return "<p>none</p>"
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"


def _timeline(report: Report) -> Iterator[str]:
    length = max(report.seconds, 0.001)
    marks = "".join(f"<span>{length * part / 4:.1f} s</span>" for part in range(5))
    yield f'<div class="track"><span></span><div class="axis">{marks}</div></div>'
    for track in report.tracks:
        yield _track(track, length)


def _track(track: Track, length: float) -> str:
    spans = "".join(_span(span, length) for span in track.spans)
    name = f'<span class="kind">{escape(track.kind)}</span> {escape(track.name)}'
    return (
        f'<div class="track"><div class="name">{name}</div>'
        f'<div class="lane">{spans}</div></div>'
    )


def _span(span: Span, length: float) -> str:
    left = 100 * min(span.began / length, 1.0)
    width = max(100 * (span.ended - span.began) / length, 0.0)
    hue = _HUES.get(span.what)
    colour = f"--hue: {hue or 0}; --sat: {'0%' if hue is None else '55%'}"
    said = f"{span.what}, {span.began:.1f} to {span.ended:.1f} s"
    title = f"{said}: {span.words}" if span.words else said
    return (
        f'<span class="span" style="left: {left:.2f}%; '
        f'width: {min(width, 100 - left):.2f}%; {colour}" '
        f'title="{escape(title)}">{escape(span.what)}</span>'
    )
