"""Takes audit entries about everything but changes to dispatches: refusals, reloads, sessions.

The entry of an order or a withdrawal does not come here: the commit of the change has it.
"""

from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import Protocol
from uuid import uuid4

import trio

from derhead.audit.entry_limit import PERIOD_S, EntryLimit
from derhead.audit.records import AuditAction, AuditRecord, Caller, ToldTokens, audit_record
from derhead.errors import JournalError
from derproto.base.runtime import Runtime


class AuditStore(Protocol):
    """The part of the journal that the trail uses."""

    def note(self, record: AuditRecord | ToldTokens) -> None:
        """Stores the record with the next commit."""


class AuditTrail:
    """Takes entries for the next commit, within the limit on like entries (``entry_limit``).

    When full: the journal drops the entry that has waited longest, and counts it. After the journal
    has closed, entries are lost: the headend has then stopped its work.
    """

    def __init__(self, store: AuditStore, runtime: Runtime) -> None:
        self._store = store
        self._wall_us = runtime.wall_us
        self._limit = EntryLimit()

    def note(
        self,
        action: AuditAction,
        caller: Caller,
        reason: str = "",
        *,
        target: str | None = None,
        site_id: str | None = None,
        detail: str | None = None,
        before: dict[str, object] | None = None,
        after: dict[str, object] | None = None,
        limited: bool = True,
    ) -> None:
        """Notes an action of a caller, or its refusal.

        ``reason`` comes from a small, fixed set of words. Entries with the same action, reason and
        caller are alike. ``detail`` is for people.
        ``limited``: False for entries that no caller can cause; none of these is left out.
        """
        entry = audit_record(
            action, caller, self._wall_us(), target=target, site_id=site_id, detail=detail
        ).of_change(before, after)
        if not limited or self._limit.admits(entry, reason, trio.current_time()):
            self._put(entry)

    def remember(self, tokens: ToldTokens) -> None:
        """Keeps what the trail has told of the tokens, in the commit of the entries about them."""
        self._put(tokens)

    async def run(self) -> None:
        """Notes how many entries were left out, within two minutes and at the end.

        Runs until cancelled.
        """
        try:
            while True:
                await trio.sleep(PERIOD_S)
                self._note_left_out(trio.current_time())
        finally:
            self._note_left_out(inf)

    def _note_left_out(self, now_s: float) -> None:
        for newest, count in self._limit.take_left_out(now_s):
            more = f"{count} more like it within {PERIOD_S:g} s; the last: {newest.detail or '-'}"
            entry = replace(newest, id=str(uuid4()), at_us=self._wall_us(), detail=more)
            self._put(entry.of_change(None, {"left_out": count}))

    def _put(self, record: AuditRecord | ToldTokens) -> None:
        with suppress(JournalError):
            self._store.note(record)
