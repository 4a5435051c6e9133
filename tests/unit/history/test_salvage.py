"""Damaged journals: real files with real damage, and what salvage keeps of them."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from derhead.dispatch import State
from derhead.history.file import facts
from derhead.history.file.activity import Activity
from derhead.history.file.damage import connect_damaged, find_damage
from derhead.history.file.lock import Left
from derhead.history.file.salvage import Salvaged
from derhead.history.file.schema import JournalFiles
from derhead.history.writing.record_store import Group, Store
from tests.support.epoch import S
from tests.support.history.records import dispatch, heartbeat, sample, session

PAGE = 4096
ASSETS = [f"asset-{n}" for n in range(12)]
KEYS = {
    "telemetry": "asset, ts_us, boot, seq",
    "assets": "id",
    "boots": "id",
    "dispatches": "id",
    "dispatch_states": "dispatch_id, n",
    "sessions": "session_id",
    "heartbeats": "agent_id, received_us, ts_us",
}


def fill(store: Store, first: int, count: int) -> None:
    store.commit(
        Group(
            batches=([sample(n, asset=a) for n in range(first, first + count) for a in ASSETS],),
            notes=(
                *(heartbeat(n * S, agent=a) for n in range(first, first + count) for a in "ab"),
                *(session(f"session-{n:05}") for n in range(first, first + count)),
            ),
            writes=tuple(
                (dispatch(f"d-{n:05}", states=(State.PENDING, State.SENT)),)
                for n in range(first, first + count)
            ),
        )
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that was closed in order: about 200 pages."""
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    files = JournalFiles(path, "OFF")
    fill(Store(files.writer), 0, 400)
    files.close()
    return path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal whose newest half is in its WAL, as after kill -9."""
    folder = tmp_path_factory.mktemp("killed")
    files = JournalFiles(folder / "live" / "journal.db", "OFF")
    fill(Store(files.writer), 0, 200)
    files.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fill(Store(files.writer), 200, 200)
    copy(folder / "live" / "journal.db", folder / "left")
    files.close()
    return folder / "left" / "journal.db"


def copy(path: Path, to: Path) -> Path:
    """Copies the journal and the files beside it into a folder of their own."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(path.parent, to, ignore=shutil.ignore_patterns("*.reserve"))
    return to / path.name


Rows = dict[str, set[tuple[object, ...]]]


def all_rows(con: sqlite3.Connection) -> Rows:
    return {name: set(con.execute(f"SELECT * FROM {name}")) for name in KEYS}


def rows_of(path: Path, to: Path) -> Rows:
    """The rows of a sound file."""
    with closing(sqlite3.connect(copy(path, to))) as con:
        return all_rows(con)


def readable(path: Path) -> Rows:
    """The rows that plain SQL reads from either end of each table of a damaged file."""
    found: Rows = {}
    for name, key in KEYS.items():
        found[name] = set()
        for order in ("ASC", "DESC"):
            by = ", ".join(f"{column} {order}" for column in key.split(", "))
            try:
                with closing(connect_damaged(path)) as con:
                    for row in con.execute(f"SELECT * FROM {name} NOT INDEXED ORDER BY {by}"):
                        found[name].add(row)
            except sqlite3.Error:
                continue
    return found


def opened(path: Path) -> tuple[Rows, Salvaged | None]:
    """The rows that a headend has after it starts on the file."""
    files = JournalFiles(path, "OFF")
    try:
        assert files.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert files.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert files.writer.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        rows = all_rows(files.reader)
        # The journal accepts new records.
        Store(files.writer).commit(Group(batches=([sample(10**6)],), writes=((dispatch("new"),),)))
    finally:
        files.close()
    return rows, files.salvaged


def finds(path: Path, left: Left) -> str | None:
    return find_damage(path, left, Activity())


def hurt(path: Path, start: int, junk: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(junk)


def mark_unclean(path: Path) -> None:
    path.with_suffix(".lock").write_text("running pid 1".ljust(63) + "\n")


def mark_met(path: Path) -> None:
    """The mark of a headend that met damage while it ran."""
    path.with_suffix(".lock").write_text("damaged pid 1".ljust(63) + "\n")


def check_survivors(before: Rows, could: Rows, after: Rows) -> None:
    """Every readable row is there, except samples of an asset or boot that lost its name."""
    assets = {row[0] for row in after["assets"]}
    boots = {row[0] for row in after["boots"]}
    could["telemetry"] = {row for row in could["telemetry"] if row[0] in assets and row[2] in boots}
    # States without their dispatch are left out.
    there = {row[0] for row in after["dispatches"]}
    could["dispatch_states"] = {row for row in could["dispatch_states"] if row[0] in there}
    for name in KEYS:
        assert could[name] & before[name] <= after[name], name


# --- one page ------------------------------------------------------------------------------


@settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    which=st.sampled_from(["sound", "killed"]),
    place=st.floats(0, 1, exclude_max=True),
    pages=st.integers(1, 4),
    filler=st.sampled_from(["random", "zero", "ones", "another page"]),
    seed=st.integers(0, 999),
)
def test_every_row_readable_from_either_end_survives_a_damaged_page(
    sound: Path,
    killed: Path,
    tmp_path: Path,
    which: str,
    place: float,
    pages: int,
    filler: str,
    seed: int,
) -> None:
    original = {"sound": sound, "killed": killed}[which]
    before = rows_of(original, tmp_path / "before")
    path = copy(original, tmp_path / "hurt")
    rng = random.Random(seed)
    page = 1 + int(place * (path.stat().st_size // PAGE - 1))
    junk = {
        "random": rng.randbytes(PAGE * pages),
        "zero": bytes(PAGE * pages),
        "ones": b"\xff" * PAGE * pages,
        "another page": path.read_bytes()[-PAGE:] * pages,
    }[filler]
    hurt(path, page * PAGE, junk)
    mark_unclean(path)
    asked = copy(path, tmp_path / "asked")
    could = readable(asked)
    hidden = finds(asked, Left.UNCLEAN) is None and finds(asked, Left.DAMAGED) is not None
    if hidden:
        # The quick check accepts a valid page of another table. A query meets the damage, and then
        # the next start checks more closely.
        mark_met(path)
    after, salvaged = opened(path)
    check_survivors(before, could, after)
    assert salvaged is not None or not hidden
    if salvaged is not None:
        aside = path.with_name(salvaged.moved_to)
        assert aside.read_bytes()[page * PAGE :].startswith(junk[: PAGE - 1])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("which", ["sound", "killed"])
def test_rows_before_the_end_of_a_truncated_file_survive(
    sound: Path, killed: Path, tmp_path: Path, which: str, share: float
) -> None:
    original = {"sound": sound, "killed": killed}[which]
    before = rows_of(original, tmp_path / "before")
    path = copy(original, tmp_path / "hurt")
    with open(path, "r+b") as file:
        file.truncate(int(path.stat().st_size * share))
    could = readable(copy(path, tmp_path / "asked"))
    after, salvaged = opened(path)
    check_survivors(before, could, after)
    if salvaged is not None:
        assert path.with_name(salvaged.moved_to).exists()
    else:
        # Only rows that the WAL also holds were cut off.
        assert all(rows <= after[name] for name, rows in before.items())


def test_rows_between_two_damaged_pages_survive(sound: Path, tmp_path: Path) -> None:
    before = rows_of(sound, tmp_path / "before")
    path = copy(sound, tmp_path / "hurt")
    with closing(sqlite3.connect(path)) as con:
        leaves = [
            number
            for (number,) in con.execute(
                "SELECT pageno FROM dbstat WHERE name = 'telemetry' AND pagetype = 'leaf'"
                " ORDER BY path"
            )
        ]
    for leaf in (leaves[len(leaves) // 4], leaves[3 * len(leaves) // 4]):
        hurt(path, (leaf - 1) * PAGE, random.Random(1).randbytes(PAGE))
    mark_unclean(path)
    after, salvaged = opened(path)
    assert salvaged is not None
    lost = before["telemetry"] - after["telemetry"]
    assert 0 < len(lost) < 2 * 100
    assert salvaged.tables["telemetry"].whole is False
    assert salvaged.tables["dispatches"].whole is True


# --- the first page ------------------------------------------------------------------------

FIRST_PAGES: dict[str, Callable[[bytes], bytes]] = {
    "no magic": lambda page: bytes(16) + page[16:],
    "no header": lambda page: bytes(100) + page[100:],
    "half a header": lambda page: page[:20] + b"\xff" * 80 + page[100:],
    "no page": lambda page: bytes(PAGE) + page[PAGE:],
    "a junk page": lambda page: random.Random(2).randbytes(PAGE) + page[PAGE:],
    "half a page": lambda page: page[:2048] + b"\xff" * 2048 + page[PAGE:],
}


@pytest.mark.parametrize("how", FIRST_PAGES)
@pytest.mark.parametrize("which", ["sound", "killed"])
def test_a_file_with_a_torn_first_page_is_set_aside_whole(
    sound: Path, killed: Path, tmp_path: Path, which: str, how: str
) -> None:
    original = {"sound": sound, "killed": killed}[which]
    before = rows_of(original, tmp_path / "before")
    path = copy(original, tmp_path / "hurt")
    torn = FIRST_PAGES[how](path.read_bytes())
    path.write_bytes(torn)
    mark_unclean(path)
    after, salvaged = opened(path)
    if salvaged is None:
        # The WAL holds the first page too.
        assert all(rows <= after[name] for name, rows in before.items())
        return
    assert path.with_name(salvaged.moved_to).read_bytes() == torn
    for name, rows in before.items():
        assert rows <= after[name] or not salvaged.tables[name].whole, name


# --- the WAL -------------------------------------------------------------------------------


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), length=st.integers(1, 3 * PAGE))
def test_a_damaged_wal_costs_only_rows_that_it_alone_held(
    killed: Path, tmp_path: Path, place: float, length: int
) -> None:
    path = copy(killed, tmp_path / "hurt")
    wal = path.with_name(path.name + "-wal")
    start = int(place * wal.stat().st_size)
    hurt(wal, start, random.Random(3).randbytes(min(length, wal.stat().st_size - start)))
    mark_unclean(path)
    after, _ = opened(path)
    checkpointed = {row[1] for row in after["telemetry"]}
    assert {n * S for n in range(200)} <= checkpointed


def test_without_its_wal_checkpointed_rows_survive(killed: Path, tmp_path: Path) -> None:
    path = copy(killed, tmp_path / "hurt")
    path.with_name(path.name + "-wal").unlink()
    mark_unclean(path)
    after, _ = opened(path)
    assert len(after["telemetry"]) >= 200 * len(ASSETS)


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_wal_without_its_file_is_set_aside_whole(killed: Path, tmp_path: Path, how: str) -> None:
    wal = killed.with_name(f"{killed.name}-wal").read_bytes()
    path = copy(killed, tmp_path / "hurt")
    path.unlink()
    if how == "empty":
        path.touch()
    mark_unclean(path)
    after, salvaged = opened(path)
    assert salvaged is not None
    assert path.with_name(f"{salvaged.moved_to}-wal").read_bytes() == wal
    # No table counts as whole.
    assert not any(after.values())
    assert not any(copied.whole for copied in salvaged.tables.values())


def test_junk_in_the_schema_that_is_no_text_is_damage(sound: Path, tmp_path: Path) -> None:
    """SQLite quotes such a schema in its message, which Python then cannot decode."""
    path = copy(sound, tmp_path / "hurt")
    hurt(path, path.read_bytes().index(b"levels_by_asset"), b"\xd8")
    assert finds(path, Left.UNCLEAN) is not None
    after, salvaged = opened(path)
    assert salvaged is not None
    assert after["telemetry"] <= rows_of(sound, tmp_path / "before")["telemetry"]


# --- what is said of it --------------------------------------------------------------------


def test_damage_is_reported_until_a_headend_is_closed_in_order(
    sound: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = copy(sound, tmp_path / "hurt")
    hurt(path, 50 * PAGE, random.Random(4).randbytes(20 * PAGE))
    mark_unclean(path)
    _, salvaged = opened(path)
    assert salvaged is not None
    assert salvaged.moved_to in caplog.text
    assert "rows salvaged" in caplog.text
    assert "is lost from" in salvaged.summary()
    # That headend was killed before anybody could look: the next one reports again.
    mark_unclean(path)
    files = JournalFiles(path, "OFF")
    assert files.salvaged == salvaged
    files.close()
    files = JournalFiles(path, "OFF")
    try:
        assert files.salvaged is None
        assert facts.get(files.reader, facts.PAST_DAMAGE) == salvaged.text()
        assert facts.get(files.reader, facts.TELEMETRY_WHOLE) == "0"
        assert facts.get(files.reader, facts.FED_WHOLE) is None
    finally:
        files.close()


def test_a_file_closed_in_order_is_not_checked(sound: Path, tmp_path: Path) -> None:
    path = copy(sound, tmp_path / "hurt")
    hurt(path, 50 * PAGE, random.Random(4).randbytes(PAGE))
    files = JournalFiles(path, "OFF")
    assert files.salvaged is None
    # Whoever meets the damage marks the file.
    files.mark_damaged()
    files.close()
    _, salvaged = opened(path)
    assert salvaged is not None


def test_a_crash_between_salvage_and_rename_loses_nothing(sound: Path, tmp_path: Path) -> None:
    path = copy(sound, tmp_path / "hurt")
    before = rows_of(sound, tmp_path / "before")
    # The new journal was complete, and the damaged one not moved yet.
    shutil.copy(path, f"{path}.salvaged")
    path.write_bytes(b"junk" * 5000)
    Path(f"{path}-wal").write_bytes(b"its own")
    after, salvaged = opened(path)
    assert salvaged is None
    assert before["telemetry"] <= after["telemetry"]
    (aside,) = path.parent.glob("journal.db.damaged-*Z")
    assert aside.read_bytes() == b"junk" * 5000
    assert Path(f"{aside}-wal").read_bytes() == b"its own"


def test_an_unfinished_salvage_begins_again(sound: Path, tmp_path: Path) -> None:
    path = copy(sound, tmp_path / "hurt")
    Path(f"{path}.salvaging").write_bytes(b"half a copy")
    hurt(path, 50 * PAGE, bytes(PAGE))
    mark_unclean(path)
    after, salvaged = opened(path)
    assert salvaged is not None
    assert after["telemetry"]
    assert list(path.parent.glob("*.salvaging*")) == []
