"""The operator of a drill: orders assets at random, sends each order until it is answered, and
withdraws in the end what has no end."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import trio

from derproto.base.runtime import Runtime
from derproto.base.timefmt import parse_us
from derproto.configuration.fleet import Asset
from launcher.drilling.rest_answers import NoAnswer, Refused, RestAnswers
from launcher.drills.drill_plan import OrderRule
from launcher.judgement.evidence import PlacedOrder

AGAIN_S = 1.0
"""Time between two attempts to send an order, seconds."""
PAUSE_US = 2_000_000
"""Time after the end of a window before the asset gets the next order."""
AGAIN_SHARE = 0.25
"""Share of the orders that are sent once more after their answer, with the same key."""
MARK_MW = 1e-6
"""What the number of an order adds to its power, so that no two orders of an asset are alike."""


class DrillOperator:
    """Places orders. One seed decides which, so far as the headend answers."""

    def __init__(
        self,
        assets: Sequence[Asset],
        rule: OrderRule,
        drill_s: float,
        rest: RestAnswers,
        runtime: Runtime,
        seed: int,
    ) -> None:
        self._assets = assets
        self._rule = rule
        self._drill_s = drill_s
        self._rest = rest
        self._runtime = runtime
        self._seed = seed
        self._rng = random.Random(f"{seed}/orders")
        self._busy_until_us: dict[str, int | None] = {}
        """None = the asset has an order without an end."""
        self.orders: list[PlacedOrder] = []

    async def place_orders(self, until_s: float) -> None:
        """Places orders until that time of Trio's clock, and goes on to send those that have no
        answer; returns when all have one. Cancellation: gives up those that have none."""
        async with trio.open_nursery() as nursery:
            while trio.current_time() < until_s:
                asset = self._free_asset()
                if asset is not None:
                    nursery.start_soon(self._send, *self._order(asset))
                every_s = self._rule.every.in_s(self._drill_s)
                await trio.sleep((0.5 + self._rng.random()) * every_s)

    def open_orders(self) -> list[PlacedOrder]:
        """Acknowledged orders without an end that nobody has withdrawn."""
        return [
            each
            for each in self.orders
            if each.answered_us is not None and each.end_us is None and each.withdrawn_us is None
        ]

    async def withdraw_open(self) -> None:
        """Withdraws the orders without an end; tries again while the headend does not answer."""
        async with trio.open_nursery() as nursery:
            for number, order in enumerate(self.orders):
                if order in self.open_orders():
                    nursery.start_soon(self._withdraw, number)

    async def _withdraw(self, number: int) -> None:
        order = self.orders[number]
        self.orders[number] = replace(order, withdrawn_us=self._runtime.wall_us())
        while True:
            try:
                await self._rest.ask("DELETE", f"/dispatch/{order.dispatch_id}")
            except NoAnswer:
                await trio.sleep(AGAIN_S)
            except Refused:
                # The verdict sees what has become of it.
                return
            else:
                return

    def _free_asset(self) -> Asset | None:
        now_us = self._runtime.wall_us()
        free = [each for each in self._assets if self._is_free(each.id, now_us)]
        return free[int(self._rng.random() * len(free))] if free else None

    def _is_free(self, asset_id: str, now_us: int) -> bool:
        until_us = self._busy_until_us.get(asset_id, 0)
        return until_us is not None and until_us <= now_us

    def _order(self, asset: Asset) -> tuple[int, dict[str, object]]:
        """The number and the body of a new order. It generates, if the asset can."""
        number = len(self.orders)
        most_mw = asset.limits.max_mw if asset.limits.max_mw > 0 else asset.limits.min_mw
        share = 0.3 + 0.6 * self._rng.random()
        mw = round(round(share * most_mw, 3) + number * MARK_MW, 6)
        body: dict[str, object] = {"asset_id": asset.id, "mw": mw}
        lasting = self._rule.lasting
        if lasting is not None:
            body["duration_s"] = round(lasting.at(self._rng.random(), self._drill_s), 1)
        self.orders.append(PlacedOrder(asset.id, mw, asked_us=self._runtime.wall_us()))
        self._busy_until_us[asset.id] = None
        return number, body

    async def _send(self, number: int, body: dict[str, object]) -> None:
        """Sends an order until it is answered."""
        key = {"idempotency-key": f"drill-{self._seed}-{number}"}
        ask = partial(self._rest.ask, "POST", "/dispatch", json=body, headers=key)
        again = random.Random(f"{self._seed}/again/{number}").random() < AGAIN_SHARE
        while True:
            try:
                answer = await ask()
            except NoAnswer:
                await trio.sleep(AGAIN_S)
            except Refused as refusal:
                self._note(number, refused=str(refusal))
                self._busy_until_us[self.orders[number].asset_id] = self._runtime.wall_us()
                return
            else:
                end_us = None if answer["end_at"] is None else parse_us(answer["end_at"])
                answered_us = self.orders[number].answered_us or self._runtime.wall_us()
                self._note(
                    number,
                    answered_us=answered_us,
                    dispatch_id=answer["id"],
                    start_us=parse_us(answer["start_at"]),
                    end_us=end_us,
                    ids=(*self.orders[number].ids, answer["id"]),
                )
                busy_us = None if end_us is None else end_us + PAUSE_US
                self._busy_until_us[self.orders[number].asset_id] = busy_us
                if not again:
                    return
                again = False
                await trio.sleep(AGAIN_S)

    def _note(self, number: int, **values: object) -> None:
        self.orders[number] = replace(self.orders[number], **values)  # type: ignore[arg-type]
