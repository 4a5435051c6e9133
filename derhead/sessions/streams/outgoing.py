"""The sending half of a session: a bounded channel, and the task that empties it.

The channel carries intents, not messages. A message is made when the stream can take it, so that a
setpoint leaves with its true remaining time, or not at all.
"""

from collections.abc import Sequence
from typing import Literal

import trio

from derhead.dispatch import Reported, SessionLink, State, write_cancel, write_setpoint
from derhead.sessions.admission.directory import LiveSession
from derhead.sessions.streams.acks import PendingAcks
from derhead.sessions.streams.collaborators import SetpointDesk
from derhead.sessions.streams.queue_depths import QueueDepths
from derproto.base.runtime import Runtime
from derproto.der.v1 import Alive, Cancel, HeadendMessage, TelemetryAck
from derproto.triogrpc import ServerStream

SETPOINTS_QUEUED = 64
"""Setpoints and cancels that wait for one agent's stream. When full, the desk keeps the rest
until the session reports room, and ends a session that never does. None is dropped."""

Intent = Literal["ack", "alive"] | str | Cancel
"""The id of a dispatch whose setpoint is due, a Cancel, an acknowledgement or an Alive."""


class Outgoing:
    """The sending half of one session. Once stopped it takes no more intents."""

    def __init__(
        self,
        stream: ServerStream,
        live: LiveSession,
        link: SessionLink,
        claims: Sequence[str],
        desk: SetpointDesk,
        runtime: Runtime,
        depths: QueueDepths,
    ) -> None:
        self._stream = stream
        self._live = live
        self._link = link
        self._claims = claims
        self._desk = desk
        self._wall_us = runtime.wall_us
        self.acks = PendingAcks()
        self._unsent_ack: TelemetryAck | None = None
        # Room for setpoints and cancels, for one acknowledgement and for one Alive.
        self._send, self._receive = trio.open_memory_channel[Intent](SETPOINTS_QUEUED + 2)
        self._queued: set[str] = set()
        self._setpoints = 0
        self._depths = depths
        self._room_wanted = False
        self._stopped = False
        self._began_at = trio.current_time()

    def begin(self) -> None:
        """Starts the session's time: Welcome is being written."""
        self._began_at = trio.current_time()

    def stop(self) -> None:
        """Takes no more intents: the session ends."""
        self._stopped = True

    def close(self) -> None:
        """Closes the channel: the session is over."""
        self._stopped = True
        self._count(-self._setpoints)
        self._send.close()
        self._receive.close()

    # --- intents come in ------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more setpoints and cancels fit now."""
        return SETPOINTS_QUEUED - self._setpoints

    def ask_for_room_nowait(self) -> None:
        """Tells the desk as soon as half of the room is free."""
        self._room_wanted = True
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._room_wanted and self._setpoints <= SETPOINTS_QUEUED // 2:
            self._room_wanted = False
            self._desk.session_has_room_nowait(self._link)

    def queue_setpoint(self, dispatch_id: str) -> None:
        """Queues a dispatch's setpoint; the caller knows that there is room."""
        if not self._stopped and dispatch_id not in self._queued:
            self._count(1)
            self._queue(dispatch_id)

    def queue_cancel(self, dispatch_id: str, asset_id: str, reason: str) -> None:
        """Queues a Cancel for a claimed asset; the caller knows that there is room."""
        if not self._stopped:
            self._count(1)
            cancel = write_cancel(dispatch_id, self._claims.index(asset_id), reason)
            self._send.send_nowait(cancel)

    def say_alive_nowait(self) -> bool:
        """Queues an Alive; False if the last one still waits."""
        waits = "alive" in self._queued
        self._queue("alive")
        return not waits

    def acknowledge_nowait(self) -> None:
        """Sends pending acknowledgements; those that do not fit at once wait their turn.

        Raises: StreamTerminatedError.
        """
        if self._stopped or "ack" in self._queued:
            return
        while (ack := self.acks.take()) is not None:
            if not self._stream.send_message_nowait(HeadendMessage(telemetry_ack=ack)):
                self._unsent_ack = ack
                self._queue("ack")
                return

    def _queue(self, intent: str) -> None:
        """Queues an intent, unless it is queued already."""
        if not self._stopped and intent not in self._queued:
            self._queued.add(intent)
            self._send.send_nowait(intent)

    # --- messages go out ------------------------------------------------------------

    async def send_queued(self) -> None:
        """Sends queued intents for ever. Raises: StreamTerminatedError."""
        async for intent in self._receive:
            match intent:
                case "ack":
                    self._queued.discard(intent)
                    while (ack := self._next_ack()) is not None:
                        await self._stream.send_message(HeadendMessage(telemetry_ack=ack))
                case "alive":
                    alive = Alive(clock_us=self._wall_us(), session_us=self._session_us())
                    await self._stream.send_message(HeadendMessage(alive=alive))
                    self._queued.discard(intent)
                case Cancel() as cancel:
                    await self._stream.send_message(HeadendMessage(cancel=cancel))
                    self._free_room()
                case dispatch_id:
                    await self._send_setpoint(dispatch_id)
                    self._queued.discard(intent)
                    self._free_room()

    def _free_room(self) -> None:
        self._count(-1)
        self._tell_of_room()

    def _count(self, more: int) -> None:
        before, self._setpoints = self._setpoints, self._setpoints + more
        self._depths.move(before, self._setpoints)

    def _session_us(self) -> int:
        return round((trio.current_time() - self._began_at) * 1e6)

    def _next_ack(self) -> TelemetryAck | None:
        ack, self._unsent_ack = self._unsent_ack, None
        return ack or self.acks.take()

    async def _send_setpoint(self, dispatch_id: str) -> None:
        dispatch = self._desk.get(dispatch_id)
        if dispatch is None or dispatch.session_id != self._live.session_id:
            return
        if dispatch.cancelling is not None:
            # A Cancel follows, and would undo the setpoint.
            return
        index = next(i for i, a in self._live.granted.items() if a == dispatch.asset_id)
        setpoint = write_setpoint(
            dispatch, index, now_us=self._wall_us(), session_us=self._session_us()
        )
        if setpoint is None:
            late = Reported(State.EXPIRED, detail="its window ended before it could be sent")
            await self._desk.report(dispatch.asset_id, dispatch_id, late)
        else:
            await self._stream.send_message(HeadendMessage(setpoint=setpoint))
            self._desk.setpoint_written_nowait(dispatch_id)
