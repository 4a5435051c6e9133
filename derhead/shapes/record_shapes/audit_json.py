"""Entries of the audit trail as JSON: pure."""

import json
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from derhead.audit import AuditRecord
from derhead.shapes.record_shapes.values import ActionName, Time, Uuid, time_of


class AuditJson(TypedDict):
    """What somebody did, or was refused."""

    id: Uuid
    at: Time | None
    action: ActionName
    caller: Annotated[str | None, Meta(description="Who did it, by name; null = not known.")]
    peer: Annotated[str | None, Meta(description="The address that the request came from.")]
    request_id: Annotated[
        str | None, Meta(description="The `X-Request-Id` of its answer, also in the log.")
    ]
    target: Annotated[
        str | None, Meta(description="What it concerns: an id, or a name as the request gave it.")
    ]
    site_id: Annotated[
        Uuid | None, Meta(description="The site; null = none, several, or not known.")
    ]
    detail: Annotated[str | None, Meta(description="The reason in words.")]
    before: Annotated[dict[str, Any] | None, Meta(description="What it changed, as it was before.")]
    after: Annotated[
        dict[str, Any] | None,
        Meta(
            description="The same, as it was then. Of a refusal `asked`, what the request asked"
            " for, or `claimed`, what an agent said of itself."
        ),
    ]


def audit_shape(entry: AuditRecord) -> AuditJson:
    return {
        "id": entry.id,
        "at": time_of(entry.at_us),
        "action": entry.action.value,
        "caller": entry.caller,
        "peer": entry.peer,
        "request_id": entry.request_id,
        "target": entry.target,
        "site_id": entry.site_id,
        "detail": entry.detail,
        "before": _change(entry.before),
        "after": _change(entry.after),
    }


def _change(text: str | None) -> dict[str, Any] | None:
    return None if text is None else dict(json.loads(text))
