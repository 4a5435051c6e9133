"""The result as a table in Markdown, for people and for docs/performance.md."""

from collections.abc import Sequence

from measures import OURS, Findings


def render(all_findings: Sequence[Findings]) -> str:
    """Draws one row for each measure and peer, with notes below."""
    rows = [("measure", "ours", "peer", "peer's", "ours / peer's")]
    for findings in all_findings:
        measure = findings.measure
        better = ", lower is better" if measure.lower_is_better else ""
        title, ours = f"{measure.title}{better}", show(findings.figure(OURS))
        if not findings.peers():
            rows.append((title, ours, "", "", ""))
        for peer in findings.peers():
            theirs, ratio = show(findings.figure(peer)), show(findings.ratio(peer))
            rows.append((title, ours, peer, theirs, ratio))
            title = ours = ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    rules = [
        "-" * width if column in (0, 2) else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    lines.insert(1, _line(rules, widths))
    return "\n".join([*lines, *_notes(all_findings)])


def show(value: float | None) -> str:
    """A figure with about three digits and thousands separated; a dash for none."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if column in (0, 2) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _notes(all_findings: Sequence[Findings]) -> list[str]:
    """Each note once, with all the measures that it concerns."""
    notes: dict[tuple[str, str], list[str]] = {}
    for findings in all_findings:
        for contestant, note in findings.notes.items():
            notes.setdefault((contestant, note), []).append(findings.measure.key)
    if not notes:
        return []
    lines = [f"- {who} ({', '.join(keys)}): {note}" for (who, note), keys in notes.items()]
    return ["", *lines]
