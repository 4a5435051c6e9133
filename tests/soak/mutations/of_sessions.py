"""Faults of the link: sessions at the headend, and the agent's uplink."""

from contextlib import AbstractContextManager
from unittest.mock import patch

import trio

from deragent.uplink import backoff
from deragent.uplink.session_sender import SessionSender
from deragent.uplink.uplink_session import UplinkSession
from derhead.sessions.admission.agent_identity import AgentIdentities
from derhead.sessions.service import Sessions
from derhead.sessions.streams.outgoing import Outgoing
from derhead.sessions.streams.session import Session
from derhead.telemetry.latest_table import Slot
from derproto.der.v1 import AgentMessage
from derproto.triogrpc import ServerStream
from tests.soak.mutations.mutation import EveryNth, Table

mutation = Table()
MUTATIONS = mutation.mutations

FRESH = "telemetry is seen within 10 s while its agent is connected"
BACK = "an agent is back 50 s after its path has cleared"
IN_TIME = "a dispatch is at its device within 2 s while its agent is connected"
ACKED_SOON = "a sample is acknowledged within 30 s while its agent is connected"
REVOKED = "a revoked token ends its session"
CALM = "nothing is left once all is calm again"


@mutation("sessions", "each 8th setpoint waits 3 s in the headend", IN_TIME)
def setpoint_leaves_late() -> AbstractContextManager[object]:
    send, is_due = Outgoing._send_setpoint, EveryNth(8)

    async def send_late(outgoing: Outgoing, dispatch_id: str) -> None:
        if is_due():
            await trio.sleep(3.0)
        await send(outgoing, dispatch_id)

    return patch.object(Outgoing, "_send_setpoint", send_late)


@mutation(
    "sessions",
    "an agent that falls silent keeps its session",
    unseen="HTTP/2's PING goes unanswered too, and ends the connection",
)
def silent_session_stays() -> AbstractContextManager[object]:
    return patch.object(Session, "_end_if_silent", lambda _session: None)


@mutation(
    "sessions", "a revoked token ends no session", "a revoked token ends its session", hours=8
)
def revoked_token_goes_on() -> AbstractContextManager[object]:
    return patch.object(AgentIdentities, "still_good", lambda *_arguments: True)


@mutation("sessions", "each 5th session stays in the list when it has ended", CALM)
def session_is_not_forgotten() -> AbstractContextManager[object]:
    serve, is_due = Sessions.serve, EveryNth(5)

    async def serve_and_keep(sessions: Sessions, stream: ServerStream) -> None:
        before = dict(sessions._live)
        try:
            await serve(sessions, stream)
        finally:
            for session_id, session in before.items():
                if session_id not in sessions._live and is_due():
                    sessions._live[session_id] = session

    return patch.object(Sessions, "serve", serve_and_keep)


@mutation("sessions", "each 200th acknowledgement is forgotten", ACKED_SOON)
def acknowledgement_is_forgotten() -> AbstractContextManager[object]:
    take, is_due = Outgoing.acknowledge_nowait, EveryNth(200)

    def take_or_not(outgoing: Outgoing) -> None:
        if is_due():
            outgoing.acks.take()
        take(outgoing)

    return patch.object(Outgoing, "acknowledge_nowait", take_or_not)


@mutation(
    "latest table",
    "backfill replaces newer samples",
    unseen="the next live sample replaces it before anyone looks; the table's own tests see it",
)
def backfill_is_shown() -> AbstractContextManager[object]:
    def is_older(_slot: Slot, *_sample: object) -> bool:
        return True

    return patch.object(Slot, "is_older_than", is_older)


@mutation("uplink", "each 300th message of telemetry waits 12 s", FRESH)
def telemetry_leaves_late() -> AbstractContextManager[object]:
    send, is_due = SessionSender.send, EveryNth(300)

    async def send_late(sender: SessionSender, message: AgentMessage) -> None:
        if message.telemetry is not None and is_due():
            await trio.sleep(12.0)
        await send(sender, message)

    return patch.object(SessionSender, "send", send_late)


@mutation("uplink", "the wait before a new connection doubles without a bound", BACK)
def backoff_has_no_bound() -> AbstractContextManager[object]:
    def ceiling_s(failures: int, _away_s: float) -> float:
        return 0.5 * 2.0**failures

    return patch.object(backoff, "_ceiling_s", ceiling_s)


@mutation(
    "uplink",
    "an agent never notices that the headend is silent",
    unseen="HTTP/2's PING goes unanswered too, and ends the connection",
)
def silence_is_not_noticed() -> AbstractContextManager[object]:
    async def watch(_session: UplinkSession, _limit_s: float) -> None:
        await trio.sleep_forever()

    return patch.object(UplinkSession, "_watch_silence", watch)


@mutation("uplink", "each 3rd session leaves a task behind", CALM)
def session_leaves_a_task() -> AbstractContextManager[object]:
    run, is_due = UplinkSession.run, EveryNth(3)

    async def run_and_leave(session: UplinkSession) -> None:
        if is_due():
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
        await run(session)

    return patch.object(UplinkSession, "run", run_and_leave)
