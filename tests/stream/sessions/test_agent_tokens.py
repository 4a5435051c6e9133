"""Agents that show a token in the metadata of their stream."""

import pytest
import trio
from grpclib import Status
from trio.testing import MockClock

from derhead.access import AccessRefusal
from derhead.access.failure_meter import FAILURES_AT_ONCE
from derhead.audit import AuditAction
from derhead.sessions import AgentIdentities, SessionRecord, reception
from derproto.der.v1 import DispatchReport
from tests.stream.sessions.bench import receive, start_bench, status_of
from tests.support.access import (
    EXPIRED,
    OF_AGENT,
    OF_ANY_AGENT,
    STRANGE,
    VIEWER,
    make_gate,
    make_tokens,
)
from tests.support.epoch import T0


@pytest.mark.parametrize(
    ("token", "status", "why"),
    [
        (None, Status.UNAUTHENTICATED, "or connect with a certificate"),
        (EXPIRED, Status.UNAUTHENTICATED, "the token has expired"),
        (VIEWER, Status.PERMISSION_DENIED, "agents need a token of the role agent"),
        (OF_AGENT, Status.PERMISSION_DENIED, "other is not agent-1"),
    ],
)
async def test_a_stream_without_its_token_is_refused(
    nursery: trio.Nursery, token: str | None, status: Status, why: str
) -> None:
    bench = await start_bench(nursery, identities=AgentIdentities(make_gate(T0), needs_proof=True))
    async with bench.agent("other", token=token) as stream:
        found, message = await status_of(stream)
    assert found is status
    assert message is not None
    assert why in message
    (entry,) = bench.audited.entries
    assert (entry.action, entry.target) == (AuditAction.REGISTER_REFUSED, "other")
    assert bench.sessions.statistics().refused["token"] == 1
    assert not bench.sessions.knows_agent("other")


async def test_an_address_that_sends_wrong_tokens_is_slowed_and_good_agents_of_it_are_not(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    gate = make_gate(T0)
    bench = await start_bench(nursery, identities=AgentIdentities(gate, needs_proof=True))

    async def try_wrong() -> tuple[Status, str | None]:
        async with bench.agent("agent-1", token=STRANGE) as stream:
            return await status_of(stream)

    for _ in range(FAILURES_AT_ONCE):
        assert (await try_wrong())[0] is Status.UNAUTHENTICATED
    noted = len(bench.audited.entries)
    status, why = await try_wrong()
    assert status is Status.RESOURCE_EXHAUSTED
    assert why is not None
    assert "correct the token and wait 6 s" in why
    assert len(bench.audited.entries) == noted
    assert bench.sessions.statistics().refused["slowed"] == 1
    assert gate.failures.refused == {AccessRefusal.UNKNOWN: 10, AccessRefusal.SLOWED: 1}
    async with bench.welcomed("agent-1", token=OF_AGENT) as good:
        await receive(good, "alive")
        # One more is answered after a while.
        assert (await try_wrong())[0] is Status.UNAUTHENTICATED


async def test_who_shows_less_does_not_slip_in_while_its_reports_are_read(
    nursery: trio.Nursery, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "REPORTS_A_TURN", 1)
    bench = await start_bench(nursery, identities=AgentIdentities(make_gate(T0)))
    reports = [DispatchReport() for _ in range(2_000)]
    async with bench.agent("agent-1", dispatches=reports, boot_id=8) as pretender:
        # The pretender was judged, and its reports are being read, when the agent comes.
        async with bench.welcomed("agent-1", token=OF_AGENT) as agent:
            status, _ = await status_of(pretender)
            assert status is Status.UNAUTHENTICATED
            await receive(agent, "alive")
    (opened, *_) = (note for note in bench.store.notes if isinstance(note, SessionRecord))
    assert opened.proof == "token of its own"


async def test_a_session_ends_once_its_token_is_revoked(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    gate = make_gate(T0)
    bench = await start_bench(nursery, identities=AgentIdentities(gate, needs_proof=True))
    async with (
        bench.welcomed("agent-1", token=OF_AGENT) as revoked,
        bench.agent("agent-2", token=OF_ANY_AGENT) as other,
    ):
        await receive(other, "welcome")
        await receive(revoked, "alive")
        gate.replace(make_tokens(T0).with_revoked("of-agent", T0))
        status, message = await status_of(revoked)
        assert status is Status.UNAUTHENTICATED
        assert message is not None
        assert "was revoked or has expired" in message
        # Nobody has failed to log in.
        assert not gate.failures.refused
        await receive(other, "alive")
    assert bench.sessions.statistics().ended["token ended"] == 1


@pytest.mark.parametrize(
    ("token", "expected"),
    [(None, Status.UNAUTHENTICATED), (OF_ANY_AGENT, Status.PERMISSION_DENIED)],
)
async def test_an_agent_that_showed_its_token_is_not_replaced_by_one_that_shows_less(
    nursery: trio.Nursery, autojump_clock: MockClock, token: str | None, expected: Status
) -> None:
    bench = await start_bench(nursery, identities=AgentIdentities(make_gate(T0)))
    async with bench.welcomed("agent-1", token=OF_AGENT) as live:
        async with bench.agent("agent-1", token=token, boot_id=9) as pretender:
            status, _ = await status_of(pretender)
        assert status is expected
        assert bench.sessions.statistics().refused["identity"] == 1
        await receive(live, "alive")
        assert len(bench.sessions.live) == 1
        # Whoever shows as much takes over.
        async with bench.welcomed("agent-1", token=OF_AGENT, boot_id=9):
            await status_of(live)
    assert bench.sessions.statistics().ended["superseded"] == 1
