"""The result of an acceptance test: a table, JSON, a page that is whole and escapes every text."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table

from deragent.acceptance.acceptance_page import page_of
from deragent.acceptance.acceptance_record import AcceptanceRecord, CheckName
from deragent.acceptance.acceptance_report import (
    AcceptanceFacts,
    response_text,
    shape_of_record,
    text_of_record,
)
from deragent.devices import Nameplate
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import Failsafe, StepResponse
from tests.support.assets import make_asset
from tests.support.epoch import T0
from tests.unit.commissioning.enactment import Enactment
from tests.unit.commissioning.plant import Plant
from tests.unit.config.bad_file import ASSET, one_asset

EVIL = '<script>alert("&")</script>'


def record_of(**changes: object) -> tuple[AcceptanceFacts, AcceptanceRecord]:
    asset = make_asset("a", name=EVIL, failsafe=Failsafe(20.0))
    enacted = Enactment(asset, Plant(time_constant_s=1.0, reversion_s=30.0), reversion_s=30.0)
    enacted.nameplate = Nameplate(EVIL, "B-2", "7", rated_mw=2.0)
    for key, value in changes.items():
        setattr(enacted, key, value)
    return AcceptanceFacts(asset, T0, "1.0"), enacted.play().record


def test_the_page_is_whole_and_escapes_what_a_device_says() -> None:
    facts, record = record_of()
    page = page_of(facts, record)
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    body = page[page.index("<body>") : page.index("</body>")] + "</body>"
    tree = ET.fromstring(body)
    plots = tree.findall("svg")
    # The whole test, and each step.
    assert len(plots) == 1 + len(record.steps)
    for plot in plots:
        kinds = {path.get("class") for path in plot.findall("path")}
        assert {"ordered", "measured"} <= kinds
    rows = tree.findall("table/tbody/tr")
    assert [row[0].text for row in rows] == [*CheckName]
    assert {row[1].text for row in rows} == {"passed"}
    numbers = [path.get("d", "") for plot in plots for path in plot.findall("path")]
    assert not any("nan" in drawn or "inf" in drawn for drawn in numbers)


def test_a_test_that_found_nothing_has_a_page_too() -> None:
    facts, record = record_of(away_from_s=0.0)
    tree = page_of(facts, record)
    assert "failed" in tree
    assert tree.count("<svg") == 1


def test_the_json_holds_everything_and_counts_from_the_start() -> None:
    facts, record = record_of()
    shape = json.loads(json.dumps(shape_of_record(facts, record)))
    assert shape["result"] == "passed"
    assert [check["check"] for check in shape["checks"]] == [*CheckName]
    assert shape["orders"][0]["mw"] is None
    assert 0 <= shape["orders"][0]["at_s"] < shape["readings"][0]["at_s"] < 1
    assert shape["response"].keys() == {"dead_time_s", "time_constant_s", "ramp_mw_per_s"}
    assert shape_of_record(replace(facts, interrupted="SIGTERM"), record)["result"] == "interrupted"


def test_the_table_ends_with_lines_for_the_assets_file(tmp_path: Path) -> None:
    facts, record = record_of()
    parts: list[RenderableType] = [*text_of_record(facts, record)]
    assert any(isinstance(part, Table) and part.row_count == len(CheckName) for part in parts)
    assert record.response is not None
    assert response_text(record.response) in str(parts[-1])
    path = tmp_path / "assets.yaml"
    path.write_text(one_asset(response_text(StepResponse(0.25, 1.5))), encoding="utf-8")
    assert load_fleet(path).assets[ASSET].response == StepResponse(0.25, 1.5)
