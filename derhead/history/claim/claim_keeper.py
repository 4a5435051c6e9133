"""Takes the claim on PostgreSQL at the start, keeps it, and gives it back at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from derhead.errors import ClaimError
from derhead.history.claim import claim_table
from derhead.history.claim.claim_gate import ClaimGate, describe
from derhead.history.claim.claim_rules import Claim, ClaimAnswer, ClaimLook, Obstacles, judge_start
from derhead.history.claim.claimant import is_process_gone
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable
from derproto.base.runtime import Runtime
from derproto.base.timefmt import format_us
from derproto.stdio.log_events import event_log

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres
    from derhead.history.postgres.tables.loader import Loader

log = event_log(__name__)

LOOK_S = 1.0
"""Interval at which a headend without the claim looks at it."""

RENEW_S = 5.0
"""Interval at which the holder looks whether it still has the claim."""

ASK_S = 5.0
"""Time for PostgreSQL to answer about the claim."""

OWN_SESSION_S = 30.0
"""How long a start waits for a connection of the same headend that PostgreSQL still believes in,
as after a power cut. When over, a copy of the data folder is in use elsewhere."""

RELEASE_S = 1.0
"""Time to give the claim back at the end. When over, the next headend waits ``takeover_s``."""


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """The claim, as this headend knows it."""

    held: bool
    term: int
    """Of this headend's claim; 0 = it has none yet."""
    said: str
    """For people: since when, or why not."""
    another: str | None = None
    """Who held the database since this headend last did; None = nobody."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An attempt to take the claim."""

    answer: ClaimAnswer | None
    """None = PostgreSQL does not answer."""
    said: str
    """For people: how it went."""
    cause: StoreCause | None = None
    """Why PostgreSQL does not answer."""


class ClaimKeeper:
    """Keeps the claim of one headend.

    ``takeover_s``: how long the lock must be free before this headend takes it from one that did
    not give it back.
    """

    def __init__(
        self, gate: ClaimGate, postgres: "Postgres", runtime: Runtime, *, takeover_s: float
    ) -> None:
        self._gate = gate
        self._postgres = postgres
        self._runtime = runtime
        self._takeover_s = takeover_s
        self._free_since_s: float | None = None
        self._held = False
        self._is_own = False
        self._said = "PostgreSQL was not reached yet"

    def status(self) -> ClaimStatus:
        before = self._gate.before
        another = None if before is None else describe(before)
        return ClaimStatus(self._held, self._gate.term or 0, self._said, another)

    @property
    def replaced(self) -> str | None:
        """Who took this headend's place, and when; None = nobody."""
        by = self._gate.replaced_by
        if by is None:
            return None
        return f"{describe(by)} took PostgreSQL over at {format_us(by.claimed_us)}"

    # --- at the start -----------------------------------------------------------------------

    async def take(
        self, *, stand_by: bool, wait_s: float, tell: Callable[[str], None] = lambda said: None
    ) -> bool:
        """Returns once this headend has the claim.

        With ``stand_by`` it waits for as long as it takes. Otherwise it returns False if PostgreSQL
        does not answer within ``wait_s``: the headend then serves without the claim. ``tell`` gets
        each new state, for people. Raises: ClaimError if another headend holds the claim.
        """
        began_s = trio.current_time()
        obstacles = Obstacles()
        while True:
            tried = await self._try()
            answer, said = tried.answer, tried.said
            if answer is ClaimAnswer.TAKE:
                self._gate.serve()
                return True
            waited_s = trio.current_time() + LOOK_S - began_s
            if answer is None and waited_s > wait_s and not stand_by:
                log.warning("the headend starts without PostgreSQL", reason=said)
                self._gate.serve()
                return False
            may_pass = stand_by or (self._is_own and waited_s <= OWN_SESSION_S)
            if answer is ClaimAnswer.HELD and not may_pass:
                raise ClaimError(
                    f"{said}, and feeds PostgreSQL at {self._postgres.dsn}: one headend a database."
                    " Stop it, name another database in postgres.dsn, or start with --standby"
                )
            if said != self._said:
                self._said = said
                tell(said)
            if obstacles.is_news(tried.cause or answer, said, trio.current_time()):
                if stand_by:
                    log.info("standing by", reason=said)
                else:
                    log.warning("waiting for PostgreSQL", reason=said)
            await trio.sleep(LOOK_S)

    async def _try(self) -> _Attempt:
        """Looks at the claim, and takes it if it may."""
        try:
            look = await self._postgres.look(claim_table.look, within_s=ASK_S)
            answer = await self._judge(look)
            newest = look.newest
            if answer is not ClaimAnswer.TAKE:
                return _Attempt(answer, self._describe(answer, newest))
            self._gate.allow(newest)
            await self._postgres.load(_touch, within_s=ASK_S)
        except StoreUnreachable as error:
            # Whoever holds the claim may have lost PostgreSQL too, and comes back with it.
            self._free_since_s = None
            return _Attempt(None, str(error), error.trouble.cause)
        self._note_held()
        if newest is not None and newest.released_us is None and not self._is_own:
            log.warning(
                "claim on PostgreSQL taken over: it was not given back",
                lost=describe(newest),
                last_seen=format_us(newest.seen_us),
            )
        return _Attempt(ClaimAnswer.TAKE, self._said)

    async def _judge(self, look: ClaimLook) -> ClaimAnswer:
        now_s = trio.current_time()
        self._is_own = look.newest is not None and look.newest.claimant == self._gate.us.id
        if look.held or self._free_since_s is None:
            self._free_since_s = None if look.held else now_s
        is_gone = False
        if look.newest is not None and not look.held:
            gone = partial(is_process_gone, look.newest.process)
            is_gone = await self._runtime.run_blocking(gone)
        return judge_start(
            look,
            self._gate.us.id,
            is_gone=is_gone,
            free_s=0.0 if self._free_since_s is None else now_s - self._free_since_s,
            takeover_s=self._takeover_s,
        )

    def _describe(self, answer: ClaimAnswer, newest: Claim | None) -> str:
        if answer is ClaimAnswer.HELD:
            return f"{describe(newest)} holds the claim"
        return (
            f"{describe(newest)} did not give its claim back and may live; this headend takes it "
            f"once it was free for {self._takeover_s:g} s"
        )

    # --- while the headend serves -------------------------------------------------------------

    async def run(self, stopping: trio.Event) -> None:
        """Keeps the claim until cancelled. If another headend took it, sets ``stopping``."""
        while True:
            try:
                await self._postgres.load(self._check, within_s=ASK_S)
            except StoreUnreachable as error:
                if self.replaced is not None:
                    log.critical("claim on PostgreSQL lost: stopping", reason=self.replaced)
                    stopping.set()
                    return
                self._note_lost(str(error))
            else:
                self._note_held()
            await trio.sleep(RENEW_S if self._held else LOOK_S)

    async def _check(self, loader: "Loader") -> None:
        await self._gate.check(loader.connection)

    def _note_held(self) -> None:
        if not self._held:
            self._said = f"held since {format_us(self._runtime.wall_us())}, term {self._gate.term}"
            log.info("claim on PostgreSQL held", term=self._gate.term)
        self._held = True

    def _note_lost(self, why: str) -> None:
        if self._held:
            log.warning(
                "claim on PostgreSQL lost: this headend goes on, and takes it again when "
                "PostgreSQL answers; a stand-by may take it after its postgres.takeover_s",
                reason=why,
            )
        self._held = False
        self._said = f"not held: {why}"

    # --- at the end ---------------------------------------------------------------------------

    async def release(self) -> None:
        """Gives the claim back, if that takes at most ``RELEASE_S``."""
        if not self._held:
            return

        async def give_back(loader: "Loader") -> None:
            await self._gate.release(loader.connection)

        try:
            await self._postgres.load(give_back, within_s=RELEASE_S)
        except StoreUnreachable as error:
            log.warning("claim on PostgreSQL not given back", reason=error)


async def _touch(loader: "Loader") -> None:
    """Has the connection made, and so the claim taken."""
