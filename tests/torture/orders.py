"""A caller that orders all along. It repeats each order under its key until it has an answer."""

import random
from dataclasses import dataclass, field

import httpx
import trio

from tests.torture.rig import Rig

LONGEST_S = 3.0
"""The longest window, seconds: short, so that most dispatches live and end under torture."""

EXPIRES_S = 20.0
ANSWER_S = 3.0
AGAIN_S = 0.3
"""Pause before the caller repeats an order, seconds."""

TRY_AGAIN = {409, 503}
"""Statuses after which the caller repeats the order."""


@dataclass
class Orders:
    """The orders of all callers, and their answers."""

    noted: dict[str, float] = field(default_factory=dict)
    """The power of each dispatch that a 201 confirmed, by its id. Each power is unique."""
    refused: list[str] = field(default_factory=list)
    """Answers that no harm explains."""
    replayed: int = 0
    """Orders that the headend had taken before the caller repeated them."""
    unwell: int = 0
    """Tries that got no answer, or an answer other than 201."""
    _number: int = 0

    async def place(self, rig: Rig, rng: random.Random, stopping: trio.Event) -> None:
        """Orders power of random assets until ``stopping`` is set.

        The last order, too, is repeated until it has an answer.
        """
        async with httpx.AsyncClient(base_url=rig.base, timeout=ANSWER_S) as client:
            while not stopping.is_set():
                self._number += 1
                await self._order(client, self._number, rng.choice(rig.asset_ids), rng)
                with trio.move_on_after(rng.uniform(0.1, 1.2)):
                    await stopping.wait()

    async def _order(
        self, client: httpx.AsyncClient, number: int, asset_id: str, rng: random.Random
    ) -> None:
        mw = -1.0 + number / 10_000
        body = {
            "asset_id": asset_id,
            "mw": mw,
            "duration_s": round(rng.uniform(0.5, LONGEST_S), 1),
            "expires_in_s": EXPIRES_S,
        }
        headers = {"idempotency-key": f'"order-{number}"'}
        while True:
            try:
                answer = await client.post("/dispatch", json=body, headers=headers)
            except httpx.TransportError:
                self.unwell += 1
            else:
                if answer.status_code == 201:
                    self.noted[answer.json()["id"]] = mw
                    self.replayed += "idempotency-replayed" in answer.headers
                    return
                self.unwell += 1
                if answer.status_code not in TRY_AGAIN:
                    self.refused.append(f"{answer.status_code} {answer.text}")
                    return
            await trio.sleep(AGAIN_S)
