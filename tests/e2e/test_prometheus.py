"""Prometheus itself reads the figures, and answers every alert and panel of the dashboard."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.certificates import TestAuthority
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.postgres import PostgresServer, fresh_database
from tests.support.processes.prometheus_tools import Prometheus, promtool, running_prometheus
from tests.support.processes.world import FAST, free_port, running
from tests.support.repository import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

OPS = ROOT / "ops"
ALERTS = OPS / "prometheus/alerts.yaml"
RUNBOOKS = ROOT / "docs/runbooks"
FIGURE = re.compile(r"\b(?:(?:derhead|deragent|process)_\w+|up)\b(?:\{[^}]*\})?")


@dataclass
class Watched:
    """A headend with an agent, PostgreSQL and certificates, and the Prometheus that scrapes it."""

    text: str
    agent_text: str
    prometheus: Prometheus
    job: str
    instance: str


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    authority = TestAuthority.make(folder / "pki")
    certificate, key = authority.write_server()
    settings: dict[str, Any] = {
        **FAST,
        "tls_cert": str(certificate),
        "tls_key": str(key),
        "tls_client_ca": str(authority.ca),
    }
    with fresh_database(postgres_server) as database:
        settings["postgres"] = {"dsn": database.dsn}
        with running(folder, fleet(), settings, trust=authority.ca) as world:
            world.start_headend()
            certificate, key = authority.write_agent("mesa")
            scraped = free_port()
            agent = {
                "tls_ca": str(authority.ca),
                "tls_cert": str(certificate),
                "tls_key": str(key),
                "metrics_port": scraped,
            }
            (folder / "agent.yaml").write_text(yaml.safe_dump(agent))
            world.start_agent(BATTERY, "--agent-id", "mesa", "--config", folder / "agent.yaml")
            world.wait_online(BATTERY)
            dispatch = world.order("battery", 1.0, duration_s=2)
            world.wait_state(dispatch["id"], "completed")
            instance = f"127.0.0.1:{world.http_port}"
            scrape = {
                "job_name": "derhead",
                "scheme": "https",
                "tls_config": {"ca_file": str(authority.ca)},
                "static_configs": [{"targets": [instance]}],
            }
            targets = [{"targets": [f"127.0.0.1:{scraped}"]}]
            of_agent = {"job_name": "deragent", "static_configs": targets}
            with running_prometheus(
                folder / "prometheus",
                {"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape, of_agent]},
            ) as prometheus:
                eventually(
                    "a round through the fleet has seen the agent",
                    lambda: prometheus.query("derhead_agents_certificate_left_seconds"),
                )
                text = world.ask("GET", "/metrics").text
                agent_text = httpx.get(f"http://127.0.0.1:{scraped}/metrics", timeout=10).text
                yield Watched(text, agent_text, prometheus, "derhead", instance)


# --- figures ----------------------------------------------------------------------------------


def test_promtool_finds_nothing_in_the_figures(watched: Watched) -> None:
    for text in (watched.text, watched.agent_text):
        assert promtool("check", "metrics", given=text) == ""
        assert len(text.splitlines()) < 1_000
    assert "\nderagent_session_up 1.0\n" in watched.agent_text
    assert 'deragent_certificate_left_seconds{setting="tls_cert"}' in watched.agent_text


def test_no_series_names_an_asset_an_agent_or_an_address(watched: Watched) -> None:
    series = watched.prometheus.query('{job=~"derhead|deragent"}')
    labels = {
        label
        for each in series
        for label in each["metric"]
        if label not in ("__name__", "job", "instance", "le")
    }
    assert labels <= {
        *(
            "bound",
            "cause",
            "health",
            "kind",
            "lane",
            "promise",
            "python",
            "reason",
            "setting",
            "state",
            "status",
        ),
        *("table", "to", "version"),
    }
    assert BATTERY not in watched.text + watched.agent_text


# --- the dashboard ----------------------------------------------------------------------------


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((OPS / "grafana/derhead.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = [each for each in dashboard["panels"] if each["type"] != "row"]
    assert len(found) > 40
    return found


def test_each_query_of_the_dashboard_has_an_answer(watched: Watched) -> None:
    missing = []
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m")
            for variable, value in (("$job", watched.job), ("$instance", watched.instance)):
                assert variable in expression, f"{panel['title']}: {expression}"
                expression = expression.replace(variable, value)
            # Its figures are there with these very labels.
            missing += [
                f"{panel['title']}: {figure}"
                for figure in FIGURE.findall(expression)
                if not watched.prometheus.query(figure)
            ]
            if not watched.prometheus.query(expression):
                missing.append(f"{panel['title']}: {expression}")
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                answer = watched.prometheus.query(expression)
                if any(label not in each["metric"] for each in answer):
                    missing.append(f"{panel['title']}: label {label}")
    assert missing == []


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        fields = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not fields & taken, panel["title"]
        taken |= fields
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


# --- alerts -----------------------------------------------------------------------------------


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_alerts_do_what_their_tests_say() -> None:
    assert "FAILED" not in promtool("check", "rules", ALERTS)
    promtool("test", "rules", OPS / "prometheus/alerts_test.yaml")
    tested = yaml.safe_load((OPS / "prometheus/alerts_test.yaml").read_text(encoding="utf-8"))
    fires = {
        test["alertname"]
        for group in tested["tests"]
        for test in group.get("alert_rule_test", ())
        if test.get("exp_alerts")
    }
    assert fires == {alert["alert"] for alert in alerts()}


def test_each_figure_of_an_alert_is_there_and_a_healthy_headend_raises_none(
    watched: Watched,
) -> None:
    missing, raised = [], []
    for alert in alerts():
        missing += [
            f"{alert['alert']}: {figure}"
            for figure in FIGURE.findall(alert["expr"])
            if not watched.prometheus.query(figure)
        ]
        if watched.prometheus.query(alert["expr"]):
            raised.append(alert["alert"])
    assert missing == []
    # The fleet has two assets without an agent.
    assert set(raised) <= {"DerheadAgentOffline", "DerheadLoopLag", "DerheadDiskFilling"}


def test_each_alert_has_its_runbook_and_each_runbook_starts_from_its_alerts() -> None:
    named: dict[str, set[str]] = {}
    for alert in alerts():
        page = alert["annotations"]["runbook_url"].rpartition("/docs/runbooks/")[2]
        named.setdefault(page, set()).add(alert["alert"])
    begins = {
        path.name: set(re.findall(r"`(Der(?:head|agent)\w+)`", starts_from(path)))
        for path in RUNBOOKS.glob("*.md")
        if path.name != "README.md"
    }
    assert begins == named


def starts_from(path: Path) -> str:
    """What a runbook says of its begin."""
    text = path.read_text(encoding="utf-8")
    return text.partition("**Starts from**:")[2].partition("\n\n")[0]
