"""The audit trail's records: who did what, from where, and what it changed. Pure.

A record of a change is stored in the commit of the change, and one of a refusal with the next group
commit. Nothing edits a record, and nothing deletes it before its time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import uuid4

AUDIT_DAYS = 400
"""Days for which both stores keep the audit trail, whatever else they keep. When full, older
entries are deleted."""


class AuditAction(StrEnum):
    """What was done, or refused."""

    ORDER = "order"
    ORDER_REFUSED = "order_refused"
    WITHDRAWAL = "withdrawal"
    WITHDRAWAL_REFUSED = "withdrawal_refused"
    CANCELLATION = "cancellation"
    """The headend ended a dispatch by itself: its asset left the fleet."""
    REGISTER_REFUSED = "register_refused"
    """An agent was refused, or some of its assets were."""
    TAKE_OVER = "take_over"
    """A session of an agent ended because another one took over."""
    LOG_IN = "log_in"
    LOG_OUT = "log_out"
    ACCESS_REFUSED = "access_refused"
    """Credentials that are not good, or a role or sites that do not suffice."""
    TOKEN_CHANGE = "token_change"
    """A token was added to the file of tokens, removed from it, revoked or changed there."""
    RELOAD = "reload"
    """Files were read anew, or could not be."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked."""

    peer: str | None = None
    """The address that the request came from."""
    request_id: str | None = None
    """The request's name, as in its answer and in the log."""
    name: str | None = None
    """The caller's own name; None = nobody knows it."""

    @property
    def known_as(self) -> str | None:
        """The name, else the address."""
        return self.name or self.peer


NOBODY_KNOWN = Caller()
"""A caller of whom nothing is known, such as the headend itself."""

TARGET_LENGTH = 80
"""Characters of a target in the audit trail. When full, the rest is cut off."""

REASON_LENGTH = 1_000
"""Characters of a reason in the audit trail. When full, the rest is cut off."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One entry of the audit trail."""

    id: str
    """UUID."""
    at_us: int
    """Microseconds since the epoch, by the headend's clock."""
    action: AuditAction
    caller: str | None
    peer: str | None
    request_id: str | None
    target: str | None = None
    """What it concerns, such as a dispatch's id; of a refusal, as far as the request named it."""
    site_id: str | None = None
    """The site that it concerns; None = none, or several."""
    detail: str | None = None
    """The reason, in words."""
    before: str | None = None
    """What was there before, a JSON object as text; None = nothing."""
    after: str | None = None
    """What is there afterwards, in the same form."""

    def of_change(
        self, before: Mapping[str, object] | None, after: Mapping[str, object] | None
    ) -> "AuditRecord":
        """The record with what it changed; members that are None are left out."""
        return replace(self, before=_text(before), after=_text(after))


@dataclass(frozen=True, slots=True)
class ToldTokens:
    """The tokens as the trail last told of them: the next start finds later changes by it."""

    text: str
    """JSON, without a secret or a hash."""


def audit_record(
    action: AuditAction,
    caller: Caller,
    at_us: int,
    *,
    target: str | None = None,
    site_id: str | None = None,
    detail: str | None = None,
) -> AuditRecord:
    """A new record of something that this caller did."""
    return AuditRecord(
        str(uuid4()),
        at_us,
        action,
        caller.name,
        caller.peer,
        caller.request_id,
        None if target is None else printable(target[:TARGET_LENGTH]),
        site_id,
        None if detail is None else printable(detail[:REASON_LENGTH]),
    )


def printable(text: str) -> str:
    """The text without characters that a store may refuse, such as NUL."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _text(change: Mapping[str, object] | None) -> str | None:
    if change is None:
        return None
    known = {name: value for name, value in change.items() if value is not None}
    return json.dumps(known, ensure_ascii=False)
