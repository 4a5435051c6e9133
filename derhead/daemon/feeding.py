"""PostgreSQL beside the journal: its claim, the restore of lost rows, its feed, the hand-over."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import trio

from derhead.access import AccessGate
from derhead.api import RestApp, TrustedHosts, create_standby_app
from derhead.config import HeadendConfig
from derhead.history import (
    ClaimGate,
    ClaimKeeper,
    Feed,
    Journal,
    clear_spool,
    is_new,
    make_postgres,
    read_claimant,
    restore,
)
from derhead.httpserver import HttpLimits, serve_http
from derproto.base.runtime import Runtime
from derproto.system.systemd import Notifier

HttpListeners = Sequence[trio.abc.Listener[trio.abc.Stream]]

WAIT_TOLD_S = 120.0
"""Time that each message asks of systemd while the headend waits for a claim."""

LAST_FED_S = 1.0
"""Time at the end for PostgreSQL to get the last changes, before the claim is given back."""


@dataclass(frozen=True, slots=True)
class FedDatabase:
    """The database that this headend feeds."""

    feed: Feed
    claim: ClaimKeeper

    async def hand_over(self) -> None:
        """Feeds the last changes within ``LAST_FED_S``, and gives the claim back."""
        if self.claim.status().held:
            with trio.move_on_after(LAST_FED_S):
                await self.feed.wait_fed()
        await self.claim.release()


async def open_database(
    config: HeadendConfig,
    journal: Journal,
    runtime: Runtime,
    outside: trio.Nursery,
    *,
    http: HttpListeners,
    gate: AccessGate,
    trusted: TrustedHosts,
    stopping: trio.Event,
    notifier: Notifier,
) -> FedDatabase | None:
    """Claims the configured database and feeds it, in ``outside``; None = none is configured.

    First the journal gets the records that only PostgreSQL has. While a stand-by waits for its
    claim, it answers REST on the ``http`` listeners, to callers whom ``gate`` knows and to browsers
    that name a ``trusted`` host. If ``stopping`` is set meanwhile, returns early and has claimed
    nothing. Raises: JournalError; ClaimError if another headend holds the claim.
    """
    dsn = config.postgres_dsn
    if dsn is None:
        outside.start_soon(clear_spool, journal)
        return None
    rng = random.Random()
    claim_gate = ClaimGate(await journal.maintain(partial(read_claimant, folder=config.data)))
    password_file = config.postgres_password_file
    postgres = make_postgres(dsn, runtime, rng, password_file=password_file, gate=claim_gate)
    await outside.start(postgres.run)
    claim = ClaimKeeper(claim_gate, postgres, runtime, takeover_s=config.postgres_takeover_s)
    feed = Feed(
        journal,
        postgres,
        runtime,
        rng,
        keep_days=config.postgres_days,
        catch_up_rows_s=config.postgres_catch_up_rows_s,
    )
    database = FedDatabase(feed, claim)
    wait_s = config.postgres_start_wait_s if await is_new(journal) else 0.0
    async with trio.open_nursery() as waiting:
        waiting.start_soon(_cancel_when, stopping, waiting.cancel_scope)
        if config.standby:
            app = create_standby_app(lambda: claim.status().said, runtime.wall_us, gate, trusted)
            await waiting.start(_answer_meanwhile, app, http, config.max_http_connections)
            notifier.ready("standing by")
        tell = partial(notifier.busy, within_s=WAIT_TOLD_S)
        await claim.take(stand_by=config.standby, wait_s=wait_s, tell=tell)
        await restore(
            journal,
            postgres,
            runtime,
            wait_s=0.0 if claim.status().held else wait_s,
            claim=claim.status(),
        )
        waiting.cancel_scope.cancel()
    if not stopping.is_set():
        outside.start_soon(feed.run)
        outside.start_soon(claim.run, stopping)
    return database


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _answer_meanwhile(
    app: RestApp,
    http: HttpListeners,
    max_connections: int,
    *,
    task_status: trio.TaskStatus[object],
) -> None:
    """Answers REST for a stand-by until cancelled; the listeners stay open."""
    await serve_http(
        app,
        [_Lent(listener) for listener in http],
        limits=HttpLimits(max_connections=max_connections),
        task_status=task_status,
    )


class _Lent(trio.abc.Listener[trio.abc.Stream]):
    """A listener that its server does not close, because another server goes on with it."""

    def __init__(self, listener: trio.abc.Listener[trio.abc.Stream]) -> None:
        self._listener = listener

    async def accept(self) -> trio.abc.Stream:
        return await self._listener.accept()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
