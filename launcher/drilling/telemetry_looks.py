"""Looks at the newest telemetry, again and again, as a control room does."""

import trio

from derproto.base.runtime import Runtime
from derproto.base.timefmt import parse_us
from launcher.drilling.rest_answers import NoAnswer, RestAnswers
from launcher.judgement.evidence import LateSpan, Look

LOOK_S = 1.0
"""Time between two looks, seconds."""

TICK_S = 0.25
LATE_S = 0.5
"""How late the drill's own loop may be before nothing is judged by its clock, seconds."""


class TelemetryLooks:
    """What REST shows of each asset, second by second."""

    def __init__(self, asset_ids: tuple[str, ...], rest: RestAnswers, runtime: Runtime) -> None:
        self._rest = rest
        self._runtime = runtime
        self.looks: dict[str, list[Look]] = {asset_id: [] for asset_id in asset_ids}
        """By asset."""
        self._looked = trio.Event()

    async def keep_looking(self) -> None:
        """Looks every ``LOOK_S`` until cancelled. A look without an answer shows what was known."""
        newest: dict[str, int] = {}
        while True:
            due_s = trio.current_time() + LOOK_S
            try:
                shown = await self._rest.ask("GET", "/telemetry", params={"fields": "asset_id,ts"})
                for item in shown["items"]:
                    if item["ts"] is not None:
                        newest[item["asset_id"]] = parse_us(item["ts"])
            except NoAnswer:
                pass
            at_us = self._runtime.wall_us()
            for asset_id, looks in self.looks.items():
                looks.append(Look(at_us, newest.get(asset_id)))
            self._looked.set()
            self._looked = trio.Event()
            await trio.sleep_until(due_s)

    async def wait_look(self) -> None:
        """Waits for the next look."""
        await self._looked.wait()

    def fresh_since(self, at_us: int) -> bool:
        """Whether each asset has shown a sample that was measured after that time."""
        return all(
            looks and looks[-1].newest_us is not None and looks[-1].newest_us > at_us
            for looks in self.looks.values()
        )


class LoopWatch:
    """Notes when the drill's own loop is late, since its clock then says nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.late: list[LateSpan] = []

    async def watch(self) -> None:
        """Watches until cancelled."""
        while True:
            due_s = trio.current_time() + TICK_S
            due_us = self._runtime.wall_us() + round(TICK_S * 1e6)
            await trio.sleep_until(due_s)
            if trio.current_time() - due_s > LATE_S:
                now_us = self._runtime.wall_us()
                # What happened just before and after is in doubt as well.
                self.late.append(LateSpan(due_us - 1_000_000, now_us + 1_000_000))
