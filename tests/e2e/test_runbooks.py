"""Each runbook, typed as it stands against the trouble that it is about, ends that trouble."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.support.processes.disk import small_disk
from tests.support.processes.machine import BLOCK, Machine, operated
from tests.support.processes.postgres import Database
from tests.support.repository import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "docs/runbooks"
AGENT = "deragent@san-luis-valley"
BATTERY = "alamosa-battery"
SETTINGS = {"telemetry_period_s": 0.5}
"""So that what a runbook waits for comes soon."""


def runbook(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def is_current(machine: Machine) -> bool:
    return machine.get(f"/telemetry/{BATTERY}").json().get("stale") is False


def set_up(machine: Machine, **settings: object) -> None:
    """Installs headend and agent of the demo's site, and starts both."""
    machine.run('scripts/install && scripts/install --agent "San Luis Valley"')
    for program in ("derhead", "deragent"):
        shutil.copyfile(ROOT / "scripts/demo.yaml", machine.path(f"/etc/{program}/assets.yaml"))
    with machine.path("/etc/derhead/derhead.yaml").open("a", encoding="utf-8") as file:
        file.write(yaml.safe_dump(SETTINGS | settings))
    machine.run(f"mkdir -p /var/backups/derhead && systemctl restart derhead {AGENT}")
    eventually("the battery speaks", lambda: is_current(machine))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with operated(tmp_path) as made:
        set_up(made)
        yield made


def test_headend_down(machine: Machine) -> None:
    settings = machine.path("/etc/derhead/derhead.yaml")
    right = settings.read_text(encoding="utf-8")
    settings.write_text(f"{right}drain_ms: 5\n", encoding="utf-8")
    machine.run("systemctl restart derhead", marked="fails")
    said = []
    for marked, code in BLOCK.findall(runbook("headend-down")):
        said.append(machine.run(code, marked=marked))
        if marked == "fails" and "check" in code:
            settings.write_text(right, encoding="utf-8")
    assert "drain_ms" in said[1]


def test_agent_offline(machine: Machine) -> None:
    machine.unit(AGENT).stop(signal.SIGKILL)
    said = machine.run_document(runbook("agent-offline"))
    assert any('"end_reason":"connection lost"' in each for each in said)


def test_telemetry_stale(machine: Machine) -> None:
    pid = machine.unit(AGENT).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    eventually("old values", lambda: machine.get(f"/telemetry/{BATTERY}").json()["stale"])
    said = machine.run_document(runbook("telemetry-stale"))
    assert '"stale":true' in said[0]


def test_error_budget(machine: Machine) -> None:
    pid = machine.unit(AGENT).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    eventually(
        "an outage is counted",
        lambda: machine.get("/slo").json()["items"][0]["outages"] > 0,
    )
    said = machine.run_document(runbook("error-budget"))
    assert '"name":"San Luis Valley"' in said[0]
    assert '"missed":["telemetry"' in said[0]


def test_dispatch_not_started(machine: Machine) -> None:
    machine.unit(AGENT).stop(signal.SIGKILL)
    machine.run(f"derhead dispatch {BATTERY} 0.5 --for 1h")
    said = machine.run_document(runbook("dispatch-not-started"))
    assert '"state":"pending"' in said[0]
    newest = machine.get("/dispatch/history?limit=1").json()["items"][0]
    eventually(
        "withdrawn", lambda: machine.get(f"/dispatch/{newest['id']}").json()["state"] == "cancelled"
    )


def test_database_lagging(tmp_path: Path, postgres: Database) -> None:
    with operated(tmp_path) as machine:
        set_up(machine, postgres={"dsn": postgres.dsn})
        eventually("fed", lambda: "derhead_postgres_lag_rows 0.0" in machine.get("/metrics").text)
        postgres.server.stop()
        eventually(
            "noticed",
            lambda: '"name":"postgres","status":"degraded"' in machine.get("/readyz").text,
        )
        # The database's machine is another one.
        actions = {"systemctl restart postgresql\n": postgres.server.restart}
        blocks = BLOCK.findall(runbook("database-lagging"))
        for marked, code in blocks:
            if code in actions:
                actions.pop(code)()
            elif "postgresql" not in code:
                machine.run(code, marked=marked)
        assert not actions


def test_disk_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, operated(tmp_path / "machine") as machine:
        machine.path("/var/lib").mkdir(parents=True)
        machine.path("/var/lib/derhead").symlink_to(disk.folder)
        set_up(machine)
        pid = machine.unit("derhead").pid
        assert pid is not None
        aside = disk.folder / "journal.db.damaged-20260101T000000Z"
        aside.write_bytes(bytes(30_000_000))
        disk.fill(pid)
        eventually("it is noticed", lambda: machine.get("/readyz").status_code == 503)
        for marked, code in BLOCK.findall(runbook("disk-full")):
            machine.run(code, marked=marked)
            if code.startswith("rm ") and not disk.mounted:
                disk.empty(pid)
        assert not aside.exists()


def test_restore(machine: Machine) -> None:
    machine.run("derhead backup /var/backups/derhead/yesterday.db --data /var/lib/derhead")
    machine.run(f"derhead dispatch {BATTERY} 0.25 --for 1h")
    machine.run_document(runbook("restore"))
    assert machine.get("/dispatch/history").json()["items"] == []


def test_upgrade_and_roll_back(machine: Machine) -> None:
    new = machine.path("/opt/derhead/current").readlink()
    machine.add_release("0.0.9-old")
    machine.path("/opt/derhead/current").unlink()
    machine.path("/opt/derhead/current").symlink_to("releases/0.0.9-old")
    switched = []
    for marked, code in BLOCK.findall(runbook("upgrade")):
        machine.run(code, marked=marked)
        switched.append(machine.path("/opt/derhead/current").readlink())
    assert new in switched
    assert switched[-1] == Path("releases/0.0.9-old")


def test_certificate_expiring(tmp_path: Path) -> None:
    with operated(tmp_path) as machine:
        set_up(machine)
        machine.run(
            "derhead pki init --dir pki\n"
            "derhead pki server localhost 127.0.0.1 --days 9 --dir pki\n"
            "derhead pki agent san-luis-valley --days 9 --dir pki\n"
            "install -o derhead pki/server.pem pki/server.key pki/ca.pem /etc/derhead/tls/\n"
            "install -o deragent pki/agents/* pki/ca.pem /etc/deragent/tls/"
        )
        for daemon, certificate, authority in (
            ("derhead/derhead", "server", "tls_client_ca: tls/ca.pem\nhttp_tls: false"),
            ("deragent/san-luis-valley", "san-luis-valley", "tls_ca: tls/ca.pem"),
        ):
            with machine.path(f"/etc/{daemon}.yaml").open("a", encoding="utf-8") as file:
                file.write(f"tls_cert: tls/{certificate}.pem\ntls_key: tls/{certificate}.key\n")
                file.write(f"{authority}\n")
        machine.run(f"systemctl restart derhead {AGENT}")
        eventually("the battery speaks", lambda: is_current(machine))
        assert "in 8 days" in machine.get("/readyz").text
        said = machine.run_document(runbook("certificate-expiring"))
        assert '"status":"degraded"' in said[0]
        (agent,) = machine.get("/agents").json()["items"]
        left = datetime.fromisoformat(agent["certificate_expires_at"]) - datetime.now(UTC)
        assert left.days > 300


def test_capacity(machine: Machine) -> None:
    said = machine.run_document(runbook("capacity"))
    assert "derhead_sessions_open 1.0" in said[0]


# --- all of them ------------------------------------------------------------------------------

NAMES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def test_figures_of_runbooks_are_in_the_table_of_figures() -> None:
    table = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    for name in NAMES:
        for figure in re.findall(r"`(derhead_[a-z_]+)[`{]", runbook(name)):
            assert f"| `{figure}` |" in table, (name, figure)


def test_each_runbook_has_its_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NAMES if f'runbook("{name}")' not in tests] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_starts_from_an_alert_and_ends_with_how_to_know_that_it_is_over(
    name: str,
) -> None:
    text = runbook(name)
    assert "\n**Starts from**: " in text.partition("\n## ")[0]
    last_heading = text.rpartition("\n#")[2]
    assert last_heading.partition("\n")[0].endswith("Over when")
    assert "```sh over\n" in last_heading
