"""Orders all along: each with a key, sent again until it is answered, and remembered."""

import random
from dataclasses import dataclass, field

import httpx
import trio

from tests.torture.rig import Rig

LONGEST_S = 3.0
"""Of a window; short, so that most orders run their whole life under torture."""

EXPIRES_S = 20.0
ANSWER_S = 3.0
AGAIN_S = 0.3
"""Pause before the same order is sent again."""

TRY_AGAIN = {409, 503}
"""Still being taken, or cannot be taken now; 503 comes with its reason."""


@dataclass
class Orders:
    """What was ordered, and what was answered."""

    noted: dict[str, float] = field(default_factory=dict)
    """By id: the power of each dispatch that was answered 201. No two have the same."""
    refused: list[str] = field(default_factory=list)
    """Answers that nothing that was done explains."""
    replayed: int = 0
    """Orders that were there already when they were sent again."""
    unwell: int = 0
    """Tries without an answer, or refused for now."""
    _number: int = 0

    async def place(self, rig: Rig, rng: random.Random, stopping: trio.Event) -> None:
        """Orders something of some asset, again and again, until ``stopping`` is set; what is
        under way by then is still sent until it is answered."""
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
