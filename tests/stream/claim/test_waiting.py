"""How long a headend waits for a claim that was not given back."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio
import trio.testing

from derhead.errors import ClaimError
from derhead.history.claim.claim_gate import ClaimGate
from derhead.history.claim.claim_keeper import OWN_SESSION_S, ClaimKeeper
from derhead.history.claim.claim_rules import Claim, ClaimLook
from derhead.history.claim.claimant import Claimant
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.postgres.database import Postgres
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0

THEIRS = Claim(7, "them", "there", "[]", T0, T0, None)


class ScriptedPostgres:
    """Shows a claim, or does not answer."""

    dsn = "derhead@db/derhead"

    def __init__(self) -> None:
        self.shows: ClaimLook | None = ClaimLook(True, THEIRS)
        self.looks = 0

    async def look(self, work: Callable[..., Awaitable[Any]], *, within_s: float) -> ClaimLook:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        if self.shows is None:
            raise StoreUnreachable(Trouble(StoreCause.UNREACHABLE, "no answer in time"))
        return self.shows

    async def load(self, work: Callable[..., Awaitable[Any]], *, within_s: float) -> None:
        await trio.lowlevel.checkpoint()


class PooledPostgres(ScriptedPostgres):
    """Is behind a pooler of transactions, which says something else each time."""

    async def look(self, work: Callable[..., Awaitable[Any]], *, within_s: float) -> ClaimLook:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        raise StoreUnreachable(Trouble(StoreCause.POOLER, f"statement {self.looks} exists"))


def keeper_of(postgres: ScriptedPostgres) -> ClaimKeeper:
    gate = ClaimGate(Claimant("us", "here", "[]"))
    return ClaimKeeper(gate, cast(Postgres, postgres), virtual_runtime(T0), takeover_s=60)


async def taken_after_s(postgres: ScriptedPostgres) -> float:
    began_s = trio.current_time()
    assert await keeper_of(postgres).take(stand_by=True, wait_s=0)
    return trio.current_time() - began_s


async def show(postgres: ScriptedPostgres, *steps: tuple[float, ClaimLook | None]) -> None:
    for pause_s, look in steps:
        await trio.sleep(pause_s)
        postgres.shows = look


FREE, FULL = ClaimLook(False, THEIRS), ClaimLook(True, THEIRS)


async def test_a_claim_that_was_not_given_back_is_taken_once_it_was_free_for_long(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    postgres = ScriptedPostgres()
    nursery.start_soon(show, postgres, (100.5, FREE))
    assert 160 <= await taken_after_s(postgres) <= 162


async def test_a_holder_that_takes_its_claim_again_is_waited_for_anew(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    postgres = ScriptedPostgres()
    nursery.start_soon(show, postgres, (0.5, FREE), (50, FULL), (10, FREE))
    assert 120 <= await taken_after_s(postgres) <= 123


async def test_an_outage_of_postgresql_does_not_count(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    # After an outage its holder needs a moment to come back.
    postgres = ScriptedPostgres()
    nursery.start_soon(show, postgres, (0.5, FREE), (50, None), (600, FREE))
    assert 710 <= await taken_after_s(postgres) <= 713


async def test_without_standby_a_held_claim_ends_the_start_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with pytest.raises(ClaimError, match="the headend at there holds the claim, and feeds"):
        await keeper_of(ScriptedPostgres()).take(stand_by=False, wait_s=30)
    assert trio.current_time() < 1


async def test_a_broken_session_of_the_same_headend_is_waited_for(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    postgres = ScriptedPostgres()
    ours = Claim(7, "us", "here", "[]", T0, T0, None)
    postgres.shows = ClaimLook(True, ours)
    nursery.start_soon(show, postgres, (20, ClaimLook(False, ours)))
    assert await keeper_of(postgres).take(stand_by=False, wait_s=0)
    postgres.shows = ClaimLook(True, ours)
    began_s = trio.current_time()
    with pytest.raises(ClaimError):
        await keeper_of(postgres).take(stand_by=False, wait_s=0)
    assert OWN_SESSION_S - 2 <= trio.current_time() - began_s <= OWN_SESSION_S + 1


async def test_without_postgresql_only_a_standby_waits(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    postgres = ScriptedPostgres()
    postgres.shows = None
    assert not await keeper_of(postgres).take(stand_by=False, wait_s=30)
    assert 28 <= trio.current_time() <= 31
    nursery.start_soon(show, postgres, (3600, ClaimLook(False, None)))
    assert 3600 <= await taken_after_s(postgres) <= 3602


async def test_a_pooler_whose_words_change_fills_no_log(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    postgres = PooledPostgres()
    assert not await keeper_of(postgres).take(stand_by=False, wait_s=30)
    assert postgres.looks >= 29
    lines = [line for line in caplog.text.splitlines() if "waiting for PostgreSQL" in line]
    assert len(lines) == 3
    assert "statement 1 exists; connect directly, or make the pooler pool sessions" in lines[0]
