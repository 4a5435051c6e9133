"""The people of a run: an operator who orders and withdraws, and programs that read."""

import trio

from derproto.base.timefmt import format_us
from tests.soak.account import Given
from tests.soak.event_reader import SLOW, EventReader
from tests.soak.judging_orders import why_refused
from tests.soak.observer import all_well
from tests.soak.plan import Act, Kind
from tests.soak.rest import Answer, NoAnswer
from tests.soak.world import SoakWorld

IN_TIME_S = 2.0
"""A dispatch reaches its device within this time while the agent is connected."""

TRIES = 4
TRY_AGAIN_S = 7.0

GIVEN = 201
WITHDRAWN = frozenset({200, 202})
AWAY = frozenset({503})
REFUSED = frozenset({404, 409, 422})
"""Answers to an order while ``assets.yaml`` is changed, and to one that has ended."""


class People:
    """Does what people do in a plan."""

    def __init__(self, world: SoakWorld) -> None:
        self._world = world
        self._orders = 0
        self._targets: list[str] = []
        """Dispatches and groups, in the order in which they were answered."""
        self._powers: set[tuple[int, float]] = set()
        self._latest_end_s = [0.0] * len(world.assets)
        """Until when an earlier order may hold each asset."""

    async def do(self, act: Act) -> None:
        match act.kind:
            case Kind.ORDER:
                await self._order(act)
            case Kind.SITE_ORDER:
                await self._order_site(act)
            case Kind.WITHDRAW:
                await self._withdraw(act)
            case Kind.FOLLOW_EVENTS:
                await self._follow_events(act)
            case Kind.READ_HISTORY:
                await self._read_history(act)

    # --- orders --------------------------------------------------------------------------

    async def _order(self, act: Act) -> None:
        asset = self._world.assets[act.target]
        mw = self._own_power(act.target, asset.limits.min_mw, asset.limits.max_mw, act.value)
        body: dict[str, object] = {"asset_id": asset.id, "mw": mw, "duration_s": act.for_s}
        ordered_s = trio.current_time()
        lone = ordered_s > self._latest_end_s[act.target]
        answer = await self._insist(body, act)
        self._hold([act.target], act)
        if answer is None or answer.status != GIVEN:
            return
        account, answered_s = self._world.account, trio.current_time()
        given = Given(answered_s, act.target, mw, answer.body["id"], len(account.given))
        account.given[given.dispatch_id] = given
        account.note(answered_s, "order", given.number, act.target)
        account.count("what assets.yaml does not allow is refused")
        wrong = why_refused(account.weather, act.target, asset.limits, mw, ordered_s, answered_s)
        if wrong is not None:
            words = f"order {given.number} of {mw} MW to asset {act.target}: {wrong}"
            self._complain("what assets.yaml does not allow is refused", words)
        self._targets.append(given.dispatch_id)
        if lone and not act.start_in_s and all_well(self._world, act.target):
            await self._expect(given, ordered_s)

    async def _order_site(self, act: Act) -> None:
        world = self._world
        site_id = world.agents[act.target].site_id
        members = [n for n, asset in enumerate(world.assets) if asset.site_id == site_id]
        low = sum(world.assets[n].limits.min_mw for n in members) / 4
        high = sum(world.assets[n].limits.max_mw for n in members) / 4
        mw = self._own_power(-1 - act.target, low, high, act.value)
        body: dict[str, object] = {"site_id": site_id, "mw": mw, "duration_s": act.for_s}
        answer = await self._insist(body, act)
        self._hold(members, act)
        if answer is not None and answer.status == GIVEN:
            world.account.note(trio.current_time(), "site order", act.target)
            self._targets.append(answer.body["id"])

    def _own_power(self, holder: int, low: float, high: float, share: float) -> float:
        """A power that no earlier order asked of it, so that a device's record tells them apart."""
        mw = round(low + share * (high - low), 6)
        while (holder, mw) in self._powers:
            mw = round(mw + (1e-6 if mw < high else -1e-6 * len(self._powers)), 6)
        self._powers.add((holder, mw))
        return mw

    def _hold(self, assets: list[int], act: Act) -> None:
        # A window moves by the time on its way, and a device that was told late is freed late.
        end_s = trio.current_time() + act.start_in_s + act.for_s + 60.0
        for asset in assets:
            self._latest_end_s[asset] = max(self._latest_end_s[asset], end_s)

    async def _insist(self, body: dict[str, object], act: Act) -> Answer | None:
        """Sends the order with its key until it is answered; None if it never is."""
        world, key = self._world, f"{self._world.plan.seed}-{self._orders}"
        self._orders += 1
        if act.start_in_s:
            start_us = world.runtime.wall_us() + round(act.start_in_s * 1e6)
            body["start_at"] = format_us(start_us)
        for _ in range(TRIES):
            try:
                answer = await world.rest.ask("POST", "/dispatch", body, key=key)
            except NoAnswer:
                world.account.answers[0] += 1
            else:
                world.account.answers[answer.status] += 1
                if answer.status == GIVEN:
                    await self._repeat(body, key, answer)
                    return answer
                if answer.status in REFUSED:
                    return answer
                if answer.status not in AWAY:
                    self._complain("an order is answered", f"{body} got {answer}")
                    return answer
            await trio.sleep(TRY_AGAIN_S)
        return None

    async def _repeat(self, body: dict[str, object], key: str, answer: Answer) -> None:
        """Sends each other order again, as a client does that lost its answer."""
        if self._orders % 2:
            return
        try:
            again = await self._world.rest.ask("POST", "/dispatch", body, key=key)
        except NoAnswer:
            return
        self._world.account.count("an order that is repeated with its key is taken once")
        if again.status not in AWAY and again.body.get("id") != answer.body["id"]:
            self._complain(
                "an order that is repeated with its key is taken once",
                f"{body} got {again.status} and {again.body}",
            )

    async def _expect(self, given: Given, ordered_s: float) -> None:
        """Puts to the test that the device is told in time, if all stays well."""
        await trio.sleep_until(ordered_s + IN_TIME_S)
        if not all_well(self._world, given.asset):
            return
        told = self._world.meters[given.asset].told
        at_s = next((at_s for at_s, mw in reversed(told) if mw == given.mw), None)
        latency_s = float("inf") if at_s is None else at_s - ordered_s
        self._world.account.try_promise(
            "a dispatch is at its device within 2 s while its agent is connected",
            latency_s,
            IN_TIME_S,
            ordered_s,
            f"order {given.number} to asset {given.asset} took {latency_s:.3f} s",
        )

    async def _withdraw(self, act: Act) -> None:
        if act.target >= len(self._targets):
            return
        world, target = self._world, self._targets[-1 - act.target]
        try:
            answer = await world.rest.ask("DELETE", f"/dispatch/{target}")
        except NoAnswer:
            world.account.answers[0] += 1
            return
        world.account.answers[answer.status] += 1
        if answer.status in WITHDRAWN:
            world.account.withdrawn.setdefault(target, trio.current_time())
        elif answer.status not in (*REFUSED, *AWAY):
            self._complain("a withdrawal is answered", f"got {answer}")

    # --- readers -------------------------------------------------------------------------

    async def _follow_events(self, act: Act) -> None:
        """Reads ``/events`` for a while; with a small ``value`` the reader stops reading."""
        await EventReader(self._world).read(act.for_s, stops_reading=act.value < SLOW)

    async def _read_history(self, act: Act) -> None:
        """Reads a page of each history of an asset, as an integrator does."""
        world, asset = self._world, self._world.assets[act.target]
        for target in (
            f"/telemetry/{asset.id}/history?limit=200",
            f"/telemetry/{asset.id}/gaps?limit=50",
            "/dispatch/history?limit=50",
        ):
            try:
                answer = await world.rest.ask("GET", target)
            except NoAnswer:
                world.account.answers[0] += 1
                return
            world.account.answers[answer.status] += 1
            if answer.status not in (200, 404, *AWAY):
                self._complain("a history is answered", f"{target} got {answer}")

    def _complain(self, promise: str, words: str) -> None:
        self._world.account.fault(trio.current_time(), promise, words)
