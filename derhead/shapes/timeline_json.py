"""What happened to an agent, as entries of its timeline and as JSON: pure."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from derhead.dispatch import Dispatch
from derhead.gaps import GapRecord
from derhead.sessions import SessionRecord
from derhead.shapes.record_shapes.agent_json import SessionJson, session_shape
from derhead.shapes.record_shapes.dispatch_json import DispatchJson, dispatch_shape
from derhead.shapes.record_shapes.telemetry_json import GapJson, gap_shape
from derhead.shapes.record_shapes.values import Time, time_of

EntryKind = Literal["connected", "disconnected", "superseded", "gap", "dispatch"]


class EntryJson(TypedDict):
    """An event in an agent's life. One of the members ``session``, ``gap`` and ``dispatch`` is set,
    and the others are null."""

    at: Time | None
    kind: EntryKind
    summary: Annotated[str, Meta(description="What happened, in words.")]
    session: SessionJson | None
    gap: GapJson | None
    dispatch: DispatchJson | None


Place = tuple[int, int, str]
"""The place of an entry: time (microseconds since the epoch), rank of its kind, id."""


RANKS: dict[EntryKind, int] = {
    "connected": 0,
    "dispatch": 1,
    "gap": 2,
    "disconnected": 3,
    "superseded": 3,
}
"""Among entries with the same time, the one with the greater rank comes first."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An event in an agent's life."""

    at_us: int
    kind: EntryKind
    id: str
    summary: str
    session: SessionRecord | None = None
    gap: GapRecord | None = None
    dispatch: Dispatch | None = None

    @property
    def place(self) -> Place:
        return self.at_us, RANKS[self.kind], self.id


def of_session(session: SessionRecord) -> list[TimelineEntry]:
    """The session's end, if it has ended, and its beginning."""
    entries = []
    if session.ended_us is not None:
        kind: EntryKind = "superseded" if session.end_reason == "superseded" else "disconnected"
        lasted_s = (session.ended_us - session.connected_us) / 1e6
        summary = f"{kind} after {lasted_s:.6g} s: {session.end_reason}"
        entries.append(TimelineEntry(session.ended_us, kind, session.session_id, summary, session))
    summary = f"connected from {session.peer}, version {session.software_version}"
    if session.clock_offset_us is not None:
        offset_s = session.clock_offset_us / 1e6
        summary += f", its clock {abs(offset_s):.3g} s {'ahead' if offset_s >= 0 else 'behind'}"
    entries.append(
        TimelineEntry(session.connected_us, "connected", session.session_id, summary, session)
    )
    return entries


def of_gap(gap: GapRecord) -> list[TimelineEntry]:
    """One entry, at the gap's start."""
    if gap.end_us is None:
        lasts = "no samples since"
    else:
        lasts = f"no samples for {(gap.end_us - gap.start_us) / 1e6:.6g} s"
    filled = ", filled later" if gap.backfilled else ""
    return [
        TimelineEntry(gap.start_us, "gap", gap.id, f"{lasts}: {gap.cause.value}{filled}", gap=gap)
    ]


def of_dispatch(dispatch: Dispatch) -> list[TimelineEntry]:
    """One entry, at the time of the order."""
    reasons = ": ".join(filter(None, (dispatch.reason, dispatch.detail)))
    why = f" ({reasons})" if reasons else ""
    summary = f"ordered to hold {dispatch.mw:.6g} MW: {dispatch.state.value}{why}"
    return [TimelineEntry(dispatch.created_us, "dispatch", dispatch.id, summary, dispatch=dispatch)]


def entry_shape(entry: TimelineEntry) -> EntryJson:
    return {
        "at": time_of(entry.at_us),
        "kind": entry.kind,
        "summary": entry.summary,
        "session": None if entry.session is None else session_shape(entry.session),
        "gap": None if entry.gap is None else gap_shape(entry.gap),
        "dispatch": None if entry.dispatch is None else dispatch_shape(entry.dispatch),
    }
