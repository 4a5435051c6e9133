"""The result of an acceptance test as one page to print or to file: HTML with drawings. Pure.

The page is whole: it loads nothing, and runs no script. Every text in it is escaped.
"""

from collections.abc import Iterator
from html import escape

from deragent.acceptance.acceptance_record import AcceptanceRecord, CheckName, StepTrial
from deragent.acceptance.acceptance_report import AcceptanceFacts, response_text
from deragent.acceptance.power_plot import Curve, plot

HOLE_S = 2.0
"""Time without a reading that a drawn line does not bridge."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 960px; padding: 0 1em;
  color: #1c1c1c; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 1.6em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3em .8em .3em 0;
  border-bottom: 1px solid #ddd }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1em } dd { margin: 0 }
pre { background: #f4f4f4; padding: .6em }
.failed { color: #b00020; font-weight: bold } .passed { color: #176d2c }
.plot { width: 100%; height: auto; break-inside: avoid }
.plot path { fill: none } .plot text { font: 11px system-ui, sans-serif; fill: #444 }
.grid { stroke: #e6e6e6 } .mark { stroke: #999; stroke-dasharray: 2 3 }
.ordered { stroke: #c45100; stroke-width: 1.6 } .measured { stroke: #0b5cad; stroke-width: 1.6 }
.power, .unit { text-anchor: end } .time { text-anchor: middle }
.legend b { font-weight: bold } .legend .o { color: #c45100 } .legend .m { color: #0b5cad }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } }
"""


def page_of(facts: AcceptanceFacts, record: AcceptanceRecord) -> str:
    """The whole page."""
    return "\n".join(_lines(facts, record)) + "\n"


def _lines(facts: AcceptanceFacts, record: AcceptanceRecord) -> Iterator[str]:
    title = f"Acceptance test of {facts.asset.name}"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    word = facts.word(record)
    yield f'<h1>{escape(title)}: <span class="{escape(word)}">{escape(word)}</span></h1>'
    yield "<dl>"
    for name, value in facts.lines(record):
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"
    yield "<table><thead><tr><th>check</th><th>verdict</th><th>what was found</th></tr></thead>"
    yield "<tbody>"
    for check in record.checks:
        kind = escape(check.outcome.replace(" ", "-"))
        yield (
            f'<tr><td>{escape(check.name)}</td><td class="{kind}">{escape(check.outcome)}</td>'
            f"<td>{escape(check.words)}</td></tr>"
        )
    yield "</tbody></table>"
    if record.response is not None:
        yield "<h2>For assets.yaml</h2>"
        yield f"<pre>{escape(response_text(record.response))}</pre>"
    yield "<h2>Power</h2>"
    yield (
        '<p class="legend"><b class="o">ordered</b>, <b class="m">measured</b>. '
        "Positive is generation. Seconds from the start.</p>"
    )
    marks = [(at_s - record.started_s, str(name)) for name, at_s in record.began.items()]
    # These take no time of their own.
    marks = [mark for mark in marks if mark[1] not in (CheckName.NAMEPLATE, CheckName.RESPONSE)]
    span_s = 0.0, max(0.0, record.ended_s - record.started_s)
    yield plot("The whole test", *_curves(record, *span_s), span_s, marks)
    for trial in record.steps:
        yield from _step_lines(record, trial)
    yield "</body></html>"


def _step_lines(record: AcceptanceRecord, trial: StepTrial) -> Iterator[str]:
    began_s = trial.order_s - record.started_s
    span_s = max(0.0, began_s - 1), trial.end_s - record.started_s
    heading = f"{trial.check}: {trial.mw:g} MW"
    yield f"<h2>{escape(heading)}</h2>"
    found = trial.measures
    if found is not None:
        words = (
            f"Dead time {found.dead_time_s:.2f} s, 63 % after {found.to_63_s:.2f} s, "
            f"90 % after {found.to_90_s:.2f} s, "
        )
        words += (
            f"within {trial.band_mw:.3g} MW after {found.settling_s:.2f} s."
            if trial.settled
            else f"not settled within {trial.band_mw:.3g} MW."
        )
        yield f"<p>{escape(words)}</p>"
    marks = [(began_s, "order")]
    if found is not None:
        marks.append((began_s + found.to_90_s, "90 %"))
    yield plot(heading, *_curves(record, *span_s), span_s, marks)


def _curves(
    record: AcceptanceRecord, from_s: float, to_s: float
) -> tuple[list[Curve], list[Curve]]:
    """Ordered and measured power within a span of the test, seconds from its start."""
    orders = [(order.at_s - record.started_s, order.mw) for order in record.orders]
    ends = [at_s for at_s, _ in orders[1:]] + [to_s]
    ordered: list[list[tuple[float, float]]] = []
    for (at_s, mw), end_s in zip(orders, ends, strict=False):
        begin_s, stop_s = max(at_s, from_s), min(end_s, to_s)
        if mw is None or begin_s > stop_s:
            continue
        if ordered and ordered[-1][-1][0] == begin_s:
            ordered[-1] += [(begin_s, mw), (stop_s, mw)]
        else:
            ordered.append([(begin_s, mw), (stop_s, mw)])
    measured: list[list[tuple[float, float]]] = []
    for reading in record.readings:
        at_s = reading.at_s - record.started_s
        if reading.p_mw is None or not from_s <= at_s <= to_s:
            continue
        if measured and at_s - measured[-1][-1][0] <= HOLE_S:
            measured[-1].append((at_s, reading.p_mw))
        else:
            measured.append([(at_s, reading.p_mw)])
    return [*ordered], [*measured]
