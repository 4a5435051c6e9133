"""A reader of ``/events``: it reads the stream as a browser does, and tries its promises.

The log's events have ids without a hole, so a reader that sees every kind of event knows whether
one is missing. A broken connection is opened again with the last id.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import trio

from derproto.base.timefmt import parse_us
from tests.soak.devices import COPY_READINGS, number_of
from tests.soak.observer import all_well, is_set_lately
from tests.soak.plan import Kind
from tests.soak.rest import NoAnswer
from tests.soak.world import SoakWorld

IN_TIME_S = 2.0
"""An event is told within this time after it was journaled."""

ALIVE_S = 12.0
"""The longest silence of a stream: a sign of life comes every 10 s."""

FRESH_S = 11.0
"""The newest telemetry that was told is at most so old: 10 s, and a second between two looks."""

BACK_S = 2.0
"""What a browser waits before it connects again."""

SLOW = 0.2
"""A reader drawn below this value stops reading."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the stream."""

    kind: str
    event_id: int | None
    data: Any


class FrameParser:
    """Cuts a stream's bytes into frames. Pure."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        *blocks, self._left = (self._left + data).split(b"\n\n")
        for block in blocks:
            fields = dict(
                line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":")
            )
            if b"event" in fields:
                event_id = fields.get(b"id")
                yield Frame(
                    fields[b"event"].decode(),
                    None if event_id is None else int(event_id),
                    json.loads(fields[b"data"]),
                )


@dataclass
class EventReader:
    """One reader, over all its connections."""

    world: SoakWorld
    target: str = "/events"
    last_id: int | None = None
    """The newest event that it has seen; None before its first ``hello``."""
    states: dict[str, str] = field(default_factory=dict)
    """The state of each dispatch of which it was told."""
    _told: dict[int, int] = field(default_factory=dict)
    """By asset, the number of the newest reading that was told."""
    _since_s: float = 0.0
    """When the present connection began."""

    def __post_init__(self) -> None:
        self._numbers = {asset.id: number for number, asset in enumerate(self.world.assets)}

    async def read(self, for_s: float, *, stops_reading: bool) -> None:
        """Reads for so many seconds, on as many connections as it takes."""
        with trio.move_on_after(for_s):
            while True:
                try:
                    await self._read_stream(stops_reading)
                except NoAnswer:
                    self.world.account.answers[0] += 1
                await trio.sleep(BACK_S)

    async def _read_stream(self, stops_reading: bool) -> None:
        world, parser = self.world, FrameParser()
        more = [] if self.last_id is None else [("Last-Event-ID", str(self.last_id))]
        async with world.rest.open("GET", self.target, more=more) as reply:
            world.account.answers[reply.status] += 1
            if reply.status != 200:
                return
            self._since_s = trio.current_time()
            self._told.clear()
            while True:
                with trio.move_on_after(ALIVE_S) as silence:
                    piece = await reply.piece()
                if silence.cancelled_caught:
                    words = f"a stream of events is silent for {ALIVE_S:g} s"
                    self._complain("a reader of events hears the headend every 10 s", words)
                    return
                if not piece:
                    return
                for frame in parser.feed(piece):
                    self._take(frame)
                self._look()
                if stops_reading:
                    await trio.sleep_forever()

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case "hello":
                if self.last_id is not None and frame.event_id != self.last_id:
                    words = f"resumed after {frame.event_id}, not after {self.last_id}"
                    self._complain("a reader of events misses none", words)
                self.last_id = frame.event_id
            case "telemetry":
                self._take_telemetry(frame.data["items"])
            case "alive":
                self._expect_id(frame, self.last_id)
            case _:
                self._expect_id(frame, (self.last_id or 0) + 1)
                self.last_id = frame.event_id
                self._take_event(frame)

    def _expect_id(self, frame: Frame, expected: int | None) -> None:
        self.world.account.count("a reader of events misses none")
        if frame.event_id != expected:
            words = f"{frame.kind} {frame.event_id} came where {expected} was due"
            self._complain("a reader of events misses none", words)

    def _take_event(self, frame: Frame) -> None:
        world, now_s = self.world, trio.current_time()
        if frame.kind == "dispatch":
            told = frame.data["dispatch"]
            self.states[told["id"]] = told["state"]
        at_s = world.seconds(parse_us(frame.data["at"]))
        # What happened before the connection, or while the journal could not write, comes late.
        full = world.account.weather.spans((Kind.DISK_FULL,), now_s, agent=0)
        if at_s < self._since_s or any(each.overlaps(at_s, now_s) for each in full):
            return
        world.account.try_promise(
            "an event is told within 2 s",
            now_s - at_s,
            IN_TIME_S,
            now_s,
            f"event {frame.event_id} was told {now_s - at_s:.3f} s after it happened",
        )

    # --- telemetry -----------------------------------------------------------------------

    def _take_telemetry(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            asset = self._numbers[item["asset_id"]]
            if item["frequency_hz"] is None:
                continue
            number, before = number_of(item["frequency_hz"]), self._told.get(asset, 0)
            copied = max(number, before) >= COPY_READINGS
            if number < before and not copied and not is_set_lately(self.world, asset):
                words = f"asset {asset} was told with reading {number} after {before}"
                self._complain("telemetry that is shown never goes back", words)
            self._told[asset] = number

    def _look(self) -> None:
        world, now_s = self.world, trio.current_time()
        if now_s - self._since_s < FRESH_S:
            return
        for asset, reading in self._told.items():
            read_us = world.meters[asset].read_us
            if reading < len(read_us) and all_well(world, asset):
                age_s = now_s - world.seconds(read_us[reading])
                world.account.try_promise(
                    "events tell telemetry within 11 s while its agent is connected",
                    age_s,
                    FRESH_S,
                    now_s,
                    f"asset {asset} was told last with a sample that is {age_s:.1f} s old",
                )

    # --- the end -------------------------------------------------------------------------

    def judge_dispatches(self) -> None:
        """Puts to the test that events told how each dispatch ended, once the run is over."""
        account = self.world.account
        account.count("events tell each end", len(account.dispatches))
        for dispatch in account.dispatches.values():
            told = self.states.get(dispatch.id)
            if told != dispatch.state:
                words = f"a dispatch that is {dispatch.state} was told as {told}"
                account.fault(
                    self.world.seconds(dispatch.created_us), "events tell each end", words
                )

    def _complain(self, promise: str, words: str) -> None:
        self.world.account.fault(trio.current_time(), promise, words)
