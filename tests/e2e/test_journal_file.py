"""The journal's file as real headends meet it: taken, newer, left by a kill, damaged."""

import os
import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def ended(world: World, name: str) -> tuple[int, str]:
    """The exit code and output of one more headend on the folder of this world's."""
    process = world._start(
        name,
        *("derhead", "serve", "--assets", world.assets, "--data", world.folder / "derhead"),
        *("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
    )
    return process.popen.wait(30), process.text()


def test_a_second_headend_on_a_folder_exits_and_names_the_first(tmp_path: Path) -> None:
    with running(tmp_path, fleet()) as world:
        first = world.start_headend()
        code, said = ended(world, "second")
        assert code == 1
        assert f"another headend (pid {first.popen.pid}) keeps its journal" in said
        assert "Traceback" not in said
        assert first.alive
        assert world.check("journal") == "ready"


def test_the_headend_refuses_a_journal_of_newer_software(tmp_path: Path) -> None:
    with running(tmp_path, fleet()) as world:
        world.start_headend().stop()
        with closing(sqlite3.connect(tmp_path / "derhead" / "journal.db")) as con:
            con.execute("PRAGMA user_version = 999")
        code, said = ended(world, "older")
        assert code == 1
        assert "the journal has version 999, this software knows up to" in said
        assert "Traceback" not in said


def test_the_headend_tells_systemd_and_checks_its_journal_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        running(tmp_path / "world", fleet()) as world,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        headend = world.start_headend()
        assert systemd.recv(1000) == b"READY=1\nSTATUS=running"
        headend.kill()
        lock = tmp_path / "world" / "derhead" / "journal.lock"
        assert lock.read_text().startswith(f"running pid {headend.popen.pid}")
        headend = world.start_headend()
        assert systemd.recv(1000).startswith(b"READY=1")
        assert world.check("journal_file") == "ready"
        headend.send(signal.SIGTERM)
        assert systemd.recv(1000) == b"STOPPING=1\nSTATUS=stopping"
        assert headend.popen.wait(10) == 0
        assert lock.read_text().startswith("closed ")


def test_the_headend_salvages_a_damaged_journal_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), {"telemetry_period_s": 0.2}) as world:
        headend, *_ = world.start(BATTERY)
        ordered = world.order(BATTERY, 0.5, duration_s=3600)
        world.wait_state(ordered["id"], "started")
        eventually("20 samples", lambda: len(world.history(BATTERY)) >= 20)
        headend.kill()
        before = world.folder / "derhead" / "journal.db"
        with closing(sqlite3.connect(before)) as con:
            # What the kill left in the WAL goes into the file, which is hurt then.
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (samples,) = con.execute("SELECT count(*) FROM telemetry").fetchone()
            # A page of an index: every row can still be read.
            (page,) = con.execute(
                "SELECT pageno FROM dbstat WHERE name = 'gaps_by_asset' LIMIT 1"
            ).fetchone()
        with before.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(os.urandom(4096))
        headend = world.start_headend()
        ready = world.get("/readyz")
        assert ready["status"] == "degraded"
        (told,) = [check for check in ready["checks"] if check["name"] == "journal_file"]
        assert told["status"] == "degraded"
        (aside,) = before.parent.glob("journal.db.damaged-*Z")
        assert aside.name in told["detail"]
        assert aside.name in headend.text()
        # Everything was readable, and the headend goes on.
        assert len(world.history(BATTERY)) >= samples
        assert world.wait_state(ordered["id"], "started")["mw"] == 0.5
        world.wait_online(BATTERY)
        assert headend.stop() == 0
        world.start_headend()
        assert world.check("journal_file") == "ready"
        answer = httpx.get(f"{world.base}/metrics", timeout=10)
        assert "derhead_journal_file_bytes" in answer.text
