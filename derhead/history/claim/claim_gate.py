"""The gate: only the headend that holds the claim feeds PostgreSQL.

The feed's session itself holds the lock, so whoever loses the session loses the right to write
with it. Each transaction of the feed also checks that the session has the lock. That finds a
pooler that pools transactions, behind which a session is not one session of the server.

``enter``, ``sign`` and ``check`` run on the asyncio loop that ``postgres.database`` confines.
"""

from typing import TYPE_CHECKING

from derhead.history.claim import claim_table
from derhead.history.claim.claim_rules import Claim, ClaimAnswer, judge_running
from derhead.history.claim.claimant import Claimant
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble

if TYPE_CHECKING:
    from derhead.history.postgres.connections.driver import PostgresConnection


class ClaimGate:
    """Lets connections of the headend ``us`` in while it may hold the claim."""

    def __init__(self, us: Claimant) -> None:
        self.us = us
        self.term: int | None = None
        """The term of this headend's claim; None = it has made none yet."""
        self.before: Claim | None = None
        """The newest claim of another headend since this one last knew everything."""
        self.replaced_by: Claim | None = None
        """The claim that took this headend's place; it must stop."""
        self._is_serving = False
        self._may_follow: int | None = None
        self._released = False

    def allow(self, newest: Claim | None) -> None:
        """Lets the next connection take the claim, if that one is still the newest."""
        self._may_follow = 0 if newest is None else newest.term

    def serve(self) -> None:
        """From now on the headend serves its fleet: it takes back a claim that it loses."""
        self._is_serving = True

    async def enter(self, connection: "PostgresConnection") -> None:
        """Takes the lock. Raises: StoreUnreachable if this headend may not."""
        if self._released:
            raise refused("the claim was given back")
        look = await claim_table.lock_and_look(connection)
        newest = look.newest
        if not self._is_serving and self.term is None:
            term = 0 if newest is None else newest.term
            if look.held or self._may_follow != term:
                raise refused("another headend was faster")
            return
        match judge_running(look, self.us.id, self.term):
            case ClaimAnswer.REPLACED:
                self.replaced_by = newest
                raise refused(f"{describe(newest)} has taken the database over")
            case ClaimAnswer.EVICT:
                await claim_table.evict(connection)
                raise refused("a broken connection of this headend held the claim until now")
            case ClaimAnswer.TAKE:
                return
            case _:
                raise refused("another session holds the claim")

    async def sign(self, connection: "PostgresConnection") -> None:
        """Writes the row that names this headend."""
        term = self.term
        if term is None:
            newest = (await claim_table.look(connection)).newest
            term = 1 if newest is None else newest.term + 1
            self.before = await claim_table.newest_other(connection, self.us)
        await claim_table.write_claim(connection, term, self.us)
        self.term = term

    async def check(self, connection: "PostgresConnection") -> None:
        """Notes that the holder lives. Raises: StoreUnreachable if the session lost the claim."""
        if self.term is None or self._released:
            raise refused("the claim was given back")
        if not await claim_table.renew_claim(connection, self.term, self.us):
            said = "the session lost its advisory lock, as behind a pooler that pools transactions"
            raise StoreUnreachable(Trouble(StoreCause.POOLER, said))

    async def release(self, connection: "PostgresConnection") -> None:
        """Gives the claim back; nothing is written afterwards."""
        if self.term is not None:
            await claim_table.release_claim(connection, self.term, self.us)
            self._released = True


def refused(why: str) -> StoreUnreachable:
    """The claim stands between this headend and PostgreSQL."""
    return StoreUnreachable(Trouble(StoreCause.CLAIM, why))


def describe(claim: Claim | None) -> str:
    """The headend of a claim, for people."""
    return "another headend" if claim is None else f"the headend at {claim.name}"
