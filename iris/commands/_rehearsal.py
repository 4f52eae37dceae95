"""Reports of rehearsals as a person reads them on a terminal."""

from __future__ import annotations

from iris.commands._tables import table
from iris.operations.first_contact import Contact
from iris.operations.rehearsal_report import Report


def report_text(report: Report) -> str:
    """Timeline, faults, cost, promises: what matters most stands last."""
    verdict = "every promise kept" if report.is_kept else "A PROMISE BROKE"
    parts = [
        ("Timeline", _timeline(report)),
        ("What was injected, and how the cluster took it", _injected(report)),
        (f"What it would have cost ({report.prices_said})", _costs(report)),
        ("Promises", _promises(report)),
    ]
    lines = [f"{head}\n{body}\n" for head, body in parts]
    said = f"rehearsal of {report.cluster}: {verdict}; {report.seconds:.1f}s"
    return "\n".join([*lines, f"{said}, seed {report.seed}"])


def contact_text(contact: Contact) -> str:
    """Where the cloud and the emulator differ."""
    rows = [(d.step, d.where, d.cloud, d.emulator) for d in contact.differences]
    heads = ("CALL", "WHERE", "THE CLOUD", "THE EMULATOR")
    said = f"{contact.calls} calls to {contact.cloud}, {len(rows)} differences"
    return f"{table(heads, rows)}\n{said}; {contact.seconds:.1f}s"


def _timeline(report: Report) -> str:
    rows = [
        (
            track.kind,
            track.name,
            f"{span.began:.2f}s",
            f"{span.ended - span.began:.2f}s",
            span.what,
            span.words,
        )
        for track in report.tracks
        for span in track.spans
    ]
    return table(("KIND", "NAME", "AT", "FOR", "PHASE", "WORDS"), rows)


def _injected(report: Report) -> str:
    rows = [(f"{e.at:.2f}s", e.kind, e.times, e.what, e.taken) for e in report.injected]
    return table(("AT", "FAULT", "TIMES", "WHAT", "WHAT FOLLOWED"), rows)


def _costs(report: Report) -> str:
    rows = [
        (
            each.kind,
            each.name,
            each.type,
            each.capacity,
            f"{each.billed_seconds:.1f}s",
            _usd(each.usd_per_hour, 3),
            _usd(each.usd, 4),
        )
        for each in report.costs
    ]
    rows.append(("together", "", "", "", "", "", _usd(report.usd, 4)))
    heads = ("KIND", "NAME", "TYPE", "SOLD AS", "BILLED", "USD/H", "USD")
    return table(heads, rows)


def _promises(report: Report) -> str:
    rows = [
        ("kept" if each.is_kept else "BROKEN", each.name, each.words)
        for each in report.promises
    ]
    return table(("OUTCOME", "PROMISE", "WORDS"), rows)


def _usd(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
