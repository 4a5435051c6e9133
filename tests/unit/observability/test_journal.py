"""The journal at /readyz and /metrics."""

from pathlib import Path

import trio
from trio.testing import MockClock

from derhead.history import open_journal
from derhead.observability import Health
from derhead.observability.figures.journal_figures import journal_check, journal_metrics
from derproto.base.runtime import virtual_runtime
from derproto.metrics.exposition import Metrics
from tests.support.epoch import T0
from tests.support.history.records import sample, session
from tests.unit.history.test_outage import filled, full_disk


async def test_a_journal_that_fails_is_unready_and_says_why(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        await filled(journal)
        assert journal_check(journal.statistics()).health is Health.READY
        with full_disk(path):
            journal.note(session())
            await trio.sleep(1)
            check = journal_check(journal.statistics())
            assert check.health is Health.UNREADY
            assert "cannot write to its disk" in check.detail
        await trio.sleep(2)
        assert journal_check(journal.statistics()).health is Health.READY


async def test_figures_match_the_statistics(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_journal(tmp_path / "journal.db", virtual_runtime(T0)) as journal:
        metrics = Metrics()
        metrics.add(lambda: journal_metrics(journal.statistics()))
        await journal.append_telemetry([sample(1), sample(2), sample(2)], lambda: None)
        await trio.sleep(1)
        text = metrics.render()[0].decode()
    assert "\nderhead_journal_commits_total 1.0\n" in text
    assert "\nderhead_journal_telemetry_rows_total 2.0\n" in text
    assert "\nderhead_journal_duplicate_rows_total 1.0\n" in text
    assert "\nderhead_journal_failing 0.0\n" in text
