"""Refused Registers and take-overs of sessions are in the audit trail, and a flood is not."""

import json
import logging

import pytest
import trio
from trio.testing import MockClock

from derhead.audit import AuditAction, AuditRecord
from derhead.audit.entry_limit import ENTRIES_A_PERIOD
from derhead.sessions import AgentIdentities
from tests.stream.sessions.bench import (
    A1,
    A2,
    OWNED,
    SITE,
    UNKNOWN,
    Bench,
    receive,
    start_bench,
    status_of,
)
from tests.support.access import OF_ANY_AGENT, make_gate
from tests.support.epoch import T0


def told(entry: AuditRecord) -> tuple[AuditAction, str | None, str | None]:
    assert entry.caller is None
    assert entry.peer is not None
    return entry.action, entry.target, entry.site_id


async def test_a_refused_register_is_noted_with_what_its_agent_was_told(bench: Bench) -> None:
    async with bench.agent("not an id") as stream:
        _, message = await status_of(stream)
    (entry,) = bench.audited.entries
    assert told(entry) == (AuditAction.REGISTER_REFUSED, None, None)
    assert entry.detail == message


async def test_refused_assets_are_noted_with_their_agent(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.welcomed("x", A1, UNKNOWN, site_id=SITE):
        pass
    (entry,) = bench.audited.entries
    assert told(entry) == (AuditAction.REGISTER_REFUSED, "x", SITE)
    assert entry.detail is not None
    assert entry.detail.startswith("asset 1 refused: ")
    assert f'event="assets refused" reason="{entry.detail}"' in caplog.text
    assert " agent=x" in caplog.text


async def test_a_stranger_writes_into_no_sites_trail_by_claiming_it(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.welcomed("x", UNKNOWN, OWNED, site_id=SITE):
        pass
    async with bench.welcomed("owner", UNKNOWN, site_id=SITE):
        pass
    async with bench.agent("y", A1, site_id=SITE, boot_id=0) as stream:
        await status_of(stream)
    assert [told(entry) for entry in bench.audited.entries] == [
        (AuditAction.REGISTER_REFUSED, "x", None),
        (AuditAction.REGISTER_REFUSED, "owner", None),
        (AuditAction.REGISTER_REFUSED, None, None),
    ]
    claims = [entry.after and json.loads(entry.after) for entry in bench.audited.entries]
    claimed = {"claimed": {"site_id": SITE}}
    assert claims == [claimed, claimed, None]


async def test_a_proven_agent_is_filed_under_the_site_that_the_file_places_it_at(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    identities = AgentIdentities(make_gate(T0), needs_proof=True)
    bench = await start_bench(nursery, identities=identities)
    elsewhere = "00000000-0000-4000-8000-00000000000b"
    for agent_id, site_id, token in (
        ("owner", SITE, OF_ANY_AGENT),
        ("other", SITE, OF_ANY_AGENT),
        ("owner", elsewhere, OF_ANY_AGENT),
        ("owner", SITE, None),
    ):
        async with bench.agent(agent_id, UNKNOWN, site_id=site_id, token=token) as stream:
            await (receive(stream, "welcome") if token else status_of(stream))
    filed = [(entry.site_id, entry.after) for entry in bench.audited.entries]
    claimed = '{"claimed": {"site_id": "%s"}}'
    assert filed == [
        (SITE, None),
        (None, claimed % SITE),
        (None, claimed % elsewhere),
        (None, claimed % SITE),
    ]


async def test_streams_that_say_nothing_leave_no_entry(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.stream() as stream:
        await status_of(stream)
    async with bench.stream():
        await trio.sleep(1)
    await trio.sleep(1)
    assert bench.audited.entries == []


async def test_another_process_of_an_agent_takes_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with bench.welcomed("x", A1), bench.welcomed("x", A1):
        # The same process came back.
        assert bench.audited.entries == []
        async with bench.welcomed("x", A1, boot_id=8, site_id=SITE):
            (entry,) = bench.audited.entries
    assert told(entry) == (AuditAction.TAKE_OVER, "x", SITE)
    before, after = json.loads(entry.before or ""), json.loads(entry.after or "")
    assert before["agent_id"] == after["agent_id"] == "x"
    assert before["session_id"] != after["session_id"]
    assert caplog.text.count('event="agent took over" lost=x lost_peer=') == 1


async def test_an_agent_takes_over_the_asset_of_a_silent_one(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.welcomed("x", A1):
        await trio.sleep(30)
        async with bench.welcomed("y", A1, A2):
            (entry,) = bench.audited.entries
    assert told(entry) == (AuditAction.TAKE_OVER, "y", SITE)
    assert entry.detail == "took over from assets of x, silent"
    assert json.loads(entry.before or "")["agent_id"] == "x"


async def test_two_agents_with_one_id_are_noted_as_refused(bench: Bench) -> None:
    async with (
        bench.welcomed("x", A1, boot_id=1),
        bench.welcomed("x", A1, boot_id=2),
        bench.welcomed("x", A1, boot_id=3),
        bench.agent("x", A1, boot_id=4) as refused,
    ):
        goodbye = await receive(refused, "goodbye")
    *_, entry = bench.audited.entries
    assert told(entry) == (AuditAction.REGISTER_REFUSED, "x", None)
    assert entry.detail == goodbye.detail


async def test_a_flood_of_bad_registers_leaves_few_entries(bench: Bench) -> None:
    for _ in range(3 * ENTRIES_A_PERIOD):
        async with bench.agent("not an id") as stream:
            await status_of(stream)
    assert len(bench.audited.entries) == ENTRIES_A_PERIOD
