"""``derhead export`` from the shell's side, over files that a headend left."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from derhead.cli import main
from derhead.history.file import facts
from derhead.history.file.schema import JournalFiles
from derhead.history.writing.record_store import Group, Store
from derproto.stdio.command import EXIT_PIPE
from tests.support.epoch import S
from tests.support.history.records import dispatch, gap, heartbeat, sample, session
from tests.unit.config.fleet_file import ROOF, write_fleet

COUNT = 2500
GONE = "11111111-2222-4333-8444-555555555555"
"""An asset that the fleet has no more."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fleet, and a journal that was closed in order."""
    write_fleet(tmp_path)
    fill(tmp_path, COUNT).close()
    return tmp_path


def fill(folder: Path, count: int) -> JournalFiles:
    files = JournalFiles(folder / "data" / "journal.db", "OFF")
    samples = [sample(n, asset=ROOF) for n in range(1, count + 1)]
    Store(files.writer).commit(
        Group(
            batches=(samples, [sample(1, asset=GONE)]),
            writes=(
                (
                    dispatch("d-1", asset=ROOF),
                    session(),
                    session("s-2", agent="agent-2"),
                    heartbeat(S),
                    gap(asset=ROOF),
                ),
            ),
        )
    )
    return files


def command(folder: Path, *arguments: str) -> list[str]:
    where = ["--assets", str(folder / "assets.yaml"), "--data", str(folder / "data")]
    return [sys.executable, "-m", "derhead", "export", *arguments, *where]


@dataclass(frozen=True)
class Done:
    """What a command answered."""

    returncode: int
    stdout: str
    stderr: str


def export(folder: Path, *arguments: str) -> Done:
    """Runs the command in this process, whose start alone would take a second."""
    output, errors = io.TextIOWrapper(io.BytesIO(), newline=""), io.StringIO()
    with chdir(folder), redirect_stdout(output), redirect_stderr(errors):
        code = main(command(folder, *arguments)[3:])
        output.flush()
    output.seek(0)
    return Done(code, output.read(), errors.getvalue())


def rows(done: Done) -> list[dict[str, str]]:
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(done.stdout, newline="")))


def test_the_command_writes_all_of_an_asset_as_csv(folder: Path) -> None:
    ran = subprocess.run(
        command(folder, "telemetry", "--asset", ROOF), capture_output=True, text=True, timeout=60
    )
    found = rows(Done(ran.returncode, ran.stdout, ran.stderr))
    assert len(found) == COUNT
    assert found[0]["ts"] == f"1970-01-01T00:{COUNT // 60:02}:{COUNT % 60:02}Z"
    assert found[0]["asset_id"] == ROOF
    assert found[0]["asset_name"]
    assert found[0]["p_mw"] == "1.5"
    assert len({row["ts"] for row in found}) == COUNT


def test_a_range_in_steps_as_json_lines(folder: Path) -> None:
    span = ("--from", "1970-01-01T00:10:00Z", "--to", "1970-01-01T00:20:00Z")
    done = export(folder, "telemetry", "--asset", ROOF, *span, "--step", "5m", "--format", "jsonl")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["ts"], one["count"], one["mean"]) for one in found] == [
        ("1970-01-01T00:15:00Z", 300, 1.5),
        ("1970-01-01T00:10:00Z", 300, 1.5),
    ]
    assert {one["asset_id"] for one in found} == {ROOF}


@pytest.mark.parametrize(
    ("what", "column", "values"),
    [
        ("dispatches", "id", ["d-1"]),
        ("gaps", "id", ["gap-1"]),
        ("sessions", "session_id", ["session-1", "s-2"]),
        ("heartbeats", "agent_id", ["agent-1"]),
    ],
)
def test_every_history(folder: Path, what: str, column: str, values: Sequence[str]) -> None:
    assert [row[column] for row in rows(export(folder, what))] == values


def test_no_text_in_csv_is_a_formula(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    with closing(fill(tmp_path, 1)) as files:
        hostile = replace(session("s-3", agent="agent-3"), software_version="=1+1")
        Store(files.writer).commit(Group(batches=(), writes=((hostile,),)))
    (row,) = rows(export(tmp_path, "sessions", "--agent", "agent-3"))
    assert row["software_version"] == "'=1+1"


def test_an_asset_that_has_left_the_fleet(folder: Path) -> None:
    (row,) = rows(export(folder, "telemetry", "--asset", GONE))
    assert (row["asset_id"], row["asset_name"]) == (GONE, "")


def test_while_a_headend_has_the_journal_open(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    files = fill(tmp_path, 5)
    try:
        assert len(rows(export(tmp_path, "telemetry", "--asset", ROOF))) == 5
    finally:
        files.close()


def test_a_file_appears_only_when_complete(folder: Path) -> None:
    target = folder / "out.csv"
    done = export(folder, "telemetry", "--asset", ROOF, "--output", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert target.read_bytes().count(b"\r\n") == COUNT + 1
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask()
    # A page in the middle of the table is damaged: the newest can be read, and then no more.
    target.write_text("what was here before")
    damage(folder / "data" / "journal.db")
    done = export(folder, "telemetry", "--asset", ROOF, "--output", str(target))
    assert done.returncode == 1
    assert done.stderr.startswith("derhead: ")
    assert target.read_text() == "what was here before"
    assert not list(folder.glob(".out.csv*"))


def begun_export(folder: Path) -> subprocess.Popen[bytes]:
    """An export that has begun, and waits for its reader."""
    process = subprocess.Popen(
        command(folder, "telemetry", "--asset", ROOF),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    assert process.stdout is not None
    process.stdout.read(1)
    return process


def test_an_interrupted_export_leaves_nothing(folder: Path) -> None:
    process = begun_export(folder)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == b"derhead: interrupted; the export is not whole\n"


def test_a_closed_pipe_ends_the_export_quietly(folder: Path) -> None:
    process = begun_export(folder)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=30) == EXIT_PIPE


def test_a_terminal_sees_how_far_it_has_come(folder: Path) -> None:
    shown = "".join(
        on_terminal(command(folder, "telemetry", "--asset", ROOF, "--output", "out.csv"), folder)
    )
    assert "100%" in shown
    assert f"{COUNT:,} rows" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["telemetry", "--asset", "nope"], "--asset: no asset is called 'nope'"),
        (["telemetry", "--site", "nope"], "--site: no site is called 'nope'"),
        (["telemetry", "--step", "0s"], "--step: '0s' is not a step"),
        (["telemetry", "--from", "yesterday"], "--from: 'yesterday' is not an RFC 3339 time"),
        (["gaps", "--step", "1m"], "--step: only telemetry comes in steps"),
        (["sessions", "--asset", ROOF], "--asset: an export of sessions takes agents"),
        (["telemetry", "--agent", "a"], "--agent: an export of telemetry takes assets"),
        (
            ["gaps", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"],
            "--from: not before",
        ),
    ],
)
def test_wrong_flags_are_refused(folder: Path, arguments: list[str], says: str) -> None:
    done = export(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(says)


def test_without_a_journal(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    done = export(tmp_path, "telemetry")
    assert done.returncode == 1
    assert "there is no journal; name the headend's data folder" in done.stderr


def test_a_journal_of_another_version(folder: Path) -> None:
    files = JournalFiles(folder / "data" / "journal.db", "OFF")
    files.writer.execute("PRAGMA user_version = 999")
    files.close()
    done = export(folder, "telemetry")
    assert done.returncode == 1
    assert "version 999, this software knows up to" in done.stderr


def test_an_export_fails_if_it_needs_a_postgresql_that_is_away(folder: Path) -> None:
    files = JournalFiles(folder / "data" / "journal.db", "OFF")
    facts.put(files.writer, facts.TELEMETRY_FROM_US, 1000 * S)
    files.close()
    config = folder / "derhead.yaml"
    config.write_text("postgres:\n  dsn: postgresql://x@localhost:1/x\n")
    since = ("--from", "1970-01-01T00:17:00Z", "--config", str(config))
    assert len(rows(export(folder, "telemetry", "--asset", ROOF, *since))) == COUNT - 1019
    done = export(folder, "telemetry", "--asset", ROOF, "--config", str(config))
    assert done.returncode == 1
    assert "history from before 1970-01-01T00:16:40Z is in PostgreSQL" in done.stderr


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(size // 4)
        file.write(os.urandom(size // 4))


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def on_terminal(arguments: list[str], folder: Path) -> Iterator[str]:
    """What the command writes to its terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(arguments, stderr=theirs, stdout=theirs, cwd=folder)
    os.close(theirs)
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        yield piece.decode()
    os.close(ours)
    assert process.wait(timeout=30) == 0
