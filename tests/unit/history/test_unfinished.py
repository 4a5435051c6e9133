"""The open gaps that a headend takes over at its start."""

from dataclasses import replace

import pytest

from derhead.gaps import HoleCause, Origin
from derhead.history.file.schema import JournalFiles
from derhead.history.queries.unfinished import unfinished_gaps
from derhead.history.sql import listings
from derhead.history.sql.page_request import PageRequest
from derhead.history.writing.record_store import Group, Store
from tests.support.epoch import S
from tests.support.history.pages import page_of
from tests.support.history.records import gap, sample, session


def test_unfinished_gaps_name_the_origin_of_their_edges(files: JournalFiles, store: Store) -> None:
    samples = [
        sample(10, boot=1),
        sample(20, boot=2),
        sample(60, boot=3, agent="agent-2"),
        sample(1, asset="asset-2"),
    ]
    missing = gap("missing", start_us=10 * S, end_us=60 * S)
    partly = replace(missing, id="partly", filled_us=20 * S)
    told = gap("agent-1/1/1", start_us=12 * S, end_us=58 * S, cause=HoleCause.OVERFLOW)
    lasting = gap("lasting", start_us=60 * S, end_us=None)
    closed = gap("closed", start_us=2 * S, end_us=8 * S, backfilled=True, filled_us=8 * S)
    nothing = gap("nothing", start_us=70 * S, end_us=70 * S, cause=HoleCause.NONE, backfilled=True)
    notes = (missing, partly, told, lasting, closed, nothing, gap("other", asset="asset-3"))
    store.commit(Group(batches=(samples,), notes=notes))
    found = {each.record.id: each for each in unfinished_gaps(files.reader, 64)}
    assert set(found) == {"missing", "partly", "agent-1/1/1", "lasting", "other"}
    first, second = Origin("agent-1", 1), Origin("agent-1", 2)
    last = Origin("agent-2", 3)
    assert found["missing"][:3] == (missing, first, last)
    assert found["partly"][:3] == (partly, second, last)
    assert found["agent-1/1/1"][:3] == (told, first, last)
    assert found["lasting"][:3] == (lasting, last, None)
    assert found["other"][1:3] == (None, None)


@pytest.mark.parametrize(
    ("cause", "ends", "stopped_by"),
    [
        (HoleCause.AGENT_RESTART, ["connection lost"], HoleCause.LINK),
        (HoleCause.AGENT_RESTART, ["connection lost", "draining"], HoleCause.HEADEND_RESTART),
        (HoleCause.AGENT_RESTART, ["closed by agent"], HoleCause.AGENT_RESTART),
        (HoleCause.AGENT_RESTART, [], HoleCause.AGENT_RESTART),
        (HoleCause.DEVICE, ["connection lost"], HoleCause.DEVICE),
    ],
)
def test_samples_stopped_when_the_boot_before_a_restart_lost_its_last_session(
    files: JournalFiles, store: Store, cause: HoleCause, ends: list[str], stopped_by: HoleCause
) -> None:
    sessions = tuple(
        session(f"s-{n}", boot=1, connected_us=n * S, ended_us=n * S + 1, end_reason=reason)
        for n, reason in enumerate(ends)
    )
    later = session("later", boot=2, connected_us=9 * S, ended_us=10 * S, end_reason="silent")
    lasting = gap("lasting", start_us=8 * S, end_us=None, cause=cause)
    store.commit(Group(batches=([sample(8, boot=1)],), notes=(lasting, *sessions, later)))
    [found] = unfinished_gaps(files.reader, 64)
    assert found.stopped_by is stopped_by


def test_each_assets_newest_gaps_are_listed_oldest_first(files: JournalFiles, store: Store) -> None:
    notes = tuple(
        gap(f"{asset}-{n}", asset=asset, start_us=n * S) for asset in ("a", "b") for n in range(9)
    )
    store.commit(Group(notes=notes))
    found = [each.record.id for each in unfinished_gaps(files.reader, 2)]
    assert found == ["a-7", "a-8", "b-7", "b-8"]


def test_a_gap_whose_cause_is_an_unknown_word_is_left_out(
    files: JournalFiles, store: Store
) -> None:
    store.commit(Group(notes=(gap("good", start_us=S), gap("spoiled", start_us=2 * S))))
    files.writer.execute("UPDATE gaps SET cause = 'lonk' WHERE id = 'spoiled'")
    assert [each.record.id for each in unfinished_gaps(files.reader, 64)] == ["good"]
    page = page_of(files.reader, listings.gaps("asset-1", PageRequest(10)))
    assert [each.id for each in page.items] == ["good"]
