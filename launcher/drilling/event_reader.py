"""Reads the events of orders from ``/events``, as a program that must miss none does."""

import json
from contextlib import suppress

import httpx2
import trio

from derproto.base.runtime import Runtime
from launcher.drilling.rest_answers import RestAnswers
from launcher.judgement.evidence import SeenEvent

AGAIN_S = 1.0
"""Pause before a lost stream is asked for again, seconds."""
SILENCE_S = 25.0
"""Silence after which a stream counts as lost: the headend sends bytes every 10 s."""


class EventReader:
    """Follows the events of orders over breaks of the stream, by the last id."""

    def __init__(self, rest: RestAnswers, runtime: Runtime) -> None:
        self._rest = rest
        self._runtime = runtime
        self._last_id: str | None = None
        self.seen: list[SeenEvent] = []
        self.missed = 0
        """How often the headend said that events were missed."""

    async def read(self) -> None:
        """Reads until cancelled."""
        while True:
            # Until the headend is back there is no stream; what it had to say comes then.
            with suppress(httpx2.TransportError, httpx2.StreamError, httpx2.SSEError):
                await self._follow()
            await trio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        headers = {"Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        async with self._rest.http.stream(
            "GET",
            "/events",
            params={"kind": "dispatch"},
            headers=headers,
            timeout=httpx2.Timeout(SILENCE_S),
        ) as response:
            if response.status_code != 200:
                return
            async for event in httpx2.EventSource(response):
                self.take(event.id or "", event.event, event.data)

    def take(self, event_id: str, kind: str, data: str) -> None:
        """Notes one event."""
        resuming = self._last_id is not None
        self._last_id = event_id or self._last_id
        if kind == "hello" and resuming and not json.loads(data)["resumed"]:
            self.missed += 1
        elif kind == "dispatch":
            dispatch = json.loads(data)["dispatch"]
            at_us = self._runtime.wall_us()
            self.seen.append(SeenEvent(at_us, int(event_id), dispatch["id"], dispatch["state"]))
