"""What comes out: JSON's shape, the table, what is read of other programs."""

import json
from typing import Any

import pytest

from tests.unit.bench.parts import errors, link, measures, rest, table

COST = measures.Measure("cost_us", "cost (us)", lower_is_better=True)


def found(**values: list[float]) -> Any:
    findings = measures.Findings(COST)
    for contestant, figures in values.items():
        findings.add(contestant, None)
        for figure in figures:
            findings.add(contestant, figure)
    return findings


def test_json_has_a_key_a_measure_with_medians_and_ratios() -> None:
    findings = found(ours=[2.0, 9.0, 3.0], peer=[4.0, 12.0])
    assert json.loads(json.dumps(measures.as_json([findings]))) == {
        "cost_us": {"ours": 3.0, "peers": {"peer": 8.0}, "ratio": {"peer": 0.375}}
    }


def test_a_missing_figure_is_null_with_its_reason() -> None:
    findings = found(ours=[2.0], peer=[])
    findings.notes["peer"] = "not installed"
    assert findings.as_json() == {
        "ours": 2.0,
        "peers": {"peer": None},
        "ratio": {"peer": None},
        "notes": {"peer": "not installed"},
    }


def test_no_figure_of_ours_or_a_zero_of_a_peer_has_no_ratio() -> None:
    findings = found(ours=[], idle=[0.0], peer=[1.0])
    assert findings.as_json()["ratio"] == {"idle": None, "peer": None}


def test_ready_made_figures_keep_their_shape() -> None:
    shape = {"ours": 2.0, "peers": {"a": 4.0, "b": None}, "ratio": {"a": 0.5, "b": None}}
    assert measures.findings_of_json("decode_us", shape).as_json() == shape


def test_table_has_a_row_a_peer_and_each_note_once() -> None:
    findings = found(ours=[12_345.6], peer=[0.5], other=[])
    findings.notes["other"] = "not installed"
    alone = measures.Findings(measures.Measure("alone", "alone (s)"))
    alone.add("ours", 1.0)
    alone.notes["other"] = "not installed"
    assert table.render([findings, alone]).splitlines() == [
        "| measure                    |   ours | peer  | peer's | ours / peer's |",
        "| -------------------------- | -----: | ----- | -----: | ------------: |",
        "| cost (us), lower is better | 12,346 | peer  |    0.5 |        24,691 |",
        "|                            |        | other |      - |             - |",
        "| alone (s)                  |      1 |       |        |               |",
        "",
        "- other (cost_us, alone): not installed",
    ]


def test_quantiles() -> None:
    times_us = [*range(1000, 101_000, 1000)]
    assert link.quantile_ms(times_us, 0.5) == 51.0
    assert link.quantile_ms(times_us, 0.99) == 100.0
    assert link.quantile_ms([7000], 0.99) == 7.0
    assert link.quantile_ms([], 0.5) is None


def test_wrk_is_believed_only_if_every_answer_was_good() -> None:
    assert rest.read_wrk("Requests/sec:  10834.52\nTransfer/sec: 1MB\n") == 10834.52
    for said in (
        "Non-2xx or 3xx responses: 12\nRequests/sec: 10.0",
        "Socket errors: connect 0, read 1, write 0, timeout 0\nRequests/sec: 10.0",
        "unable to connect",
    ):
        with pytest.raises(errors.Failed):
            rest.read_wrk(said)
