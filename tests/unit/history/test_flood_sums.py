"""What hostile agents can store, by the allowances and the true size of their records."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from derhead.gaps.record import report_id
from derhead.history.file.schema import JournalFiles
from derhead.history.retention import measuring, policy
from derhead.history.retention.policy import RetentionLimits
from derhead.history.writing.record_store import Group, Note, Store
from derhead.sessions import HeartbeatRecord, SessionLimits
from derhead.sessions.streams import allowances
from tests.support.epoch import T0
from tests.support.history.records import gap, sample, session

AGENTS = 16
AGENT = "a" * 64
LIMITS = SessionLimits()
ASSETS = tuple(f"00000000-0000-4000-8000-{n:012}" for n in range(LIMITS.max_assets))
HOUR_S = 3600


def largest_gap(n: int) -> Note:
    name = report_id(AGENT, 2**64 - 1, 2**63 - 1 - n)
    return gap(name, asset=ASSETS[n % len(ASSETS)], start_us=T0 + n, end_us=None)


def largest_heartbeat(n: int) -> Note:
    devices = tuple((asset_id, "unreachable") for asset_id in ASSETS)
    return HeartbeatRecord(AGENT, T0 + n, T0 + n, 2**63, 2**63, 2**63, devices)


def largest_session(n: int) -> Note:
    return session(f"{n:036}", agent=AGENT, assets=ASSETS, connected_us=T0 + n, ended_us=T0 + n + 1)


def bytes_of(files: JournalFiles, record: Callable[[int], Note], count: int) -> float:
    """Size of one such record in the file, its events and indexes included."""
    before = measuring.read_sizes(files.writer).used_bytes
    Store(files.writer).commit(Group(notes=tuple(map(record, range(count)))))
    return (measuring.read_sizes(files.writer).used_bytes - before) / count


def bytes_of_row(files: JournalFiles) -> float:
    """Size of a row of telemetry, with every value known."""
    count = 50_000
    before = measuring.read_sizes(files.writer).used_bytes
    rows = [
        replace(sample(n, asset=ASSETS[n % 1000], ts_us=T0 + n), frequency_hz=50.01, quality=15)
        for n in range(count)
    ]
    Store(files.writer).commit(Group(batches=(rows,)))
    return (measuring.read_sizes(files.writer).used_bytes - before) / count


def test_hostile_agents_cannot_fill_the_journal_in_an_hour(files: JournalFiles) -> None:
    beats_s = allowances.HEARTBEATS_A_PERIOD / LIMITS.heartbeat_period_s
    gaps = allowances.GAP_REPORTS_BURST + HOUR_S * allowances.GAP_REPORTS_S
    heartbeats = allowances.HEARTBEATS_BURST + HOUR_S * beats_s
    sessions = allowances.SESSIONS_BURST + HOUR_S * allowances.SESSIONS_S
    an_hour = (
        gaps * bytes_of(files, largest_gap, 20_000)
        + heartbeats * bytes_of(files, largest_heartbeat, 100)
        + sessions * bytes_of(files, largest_session, 100)
    )
    assert an_hour == pytest.approx(133e6, rel=0.05)
    rate_s = allowances.rows_s(LIMITS.max_assets, LIMITS.telemetry_period_s)
    rows = allowances.ROWS_BURST + HOUR_S * rate_s
    an_hour += rows * bytes_of_row(files)
    # Nothing younger than an hour goes early: with more, nobody's telemetry would be acknowledged.
    assert an_hour == pytest.approx(400e6, rel=0.05)
    assert AGENTS * an_hour < RetentionLimits().max_bytes


def test_gaps_stay_within_their_share_however_long_agents_send_them(files: JournalFiles) -> None:
    largest = bytes_of(files, largest_gap, 20_000)
    assert largest < policy.GAP_BYTES * 1.05
    limits = RetentionLimits()
    assets = AGENTS * LIMITS.max_assets
    kept = policy.gaps_kept(limits, assets) * assets * largest
    assert kept < 1.05 * policy.GAPS_SHARE * limits.max_bytes
