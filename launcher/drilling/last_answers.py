"""What the headend knows after a drill: histories, gaps, and the ends of orders."""

from dataclasses import replace

import trio

from derproto.base.timefmt import format_us, parse_us
from launcher.drilling.rest_answers import NoAnswer, Refused, RestAnswers
from launcher.judgement.evidence import (
    Evidence,
    KeptSample,
    PlacedOrder,
    ShownGap,
)
from launcher.judgement.order_promises import ENDED
from launcher.judgement.sample_promises import match_samples

WHOLE_S = 60.0
"""Time for samples that are still under way, seconds. What is missing then is missing."""
LOOK_S = 2.0
"""Time between two looks, seconds."""
BEFORE_US = 300_000_000
"""How long before the drill's start a history may begin: agents measure before they are up."""


async def read_histories(evidence: Evidence, rest: RestAnswers) -> None:
    """Reads each asset's history and gaps, once every reading is there or ``WHOLE_S`` has passed.

    Raises: NoAnswer, Refused.
    """
    give_up_s = trio.current_time() + WHOLE_S
    for asset_id in evidence.assets:
        since = format_us(evidence.began_us - BEFORE_US)
        while True:
            evidence.kept[asset_id] = [
                KeptSample(parse_us(item["ts"]), item["p_mw"], item["frequency_hz"])
                async for item in rest.items(
                    f"/telemetry/{asset_id}/history",
                    **{"from": since, "fields": "ts,p_mw,frequency_hz"},
                )
            ]
            if trio.current_time() > give_up_s or _is_whole(evidence, asset_id):
                break
            await trio.sleep(LOOK_S)
        evidence.gaps[asset_id] = [
            ShownGap(
                start_us=parse_us(item["start"]),
                end_us=None if item["end"] is None else parse_us(item["end"]),
                cause=item["cause"],
                backfilled=item["backfilled"],
                filled_us=None if item["filled_until"] is None else parse_us(item["filled_until"]),
            )
            async for item in rest.items(f"/telemetry/{asset_id}/gaps", **{"from": since})
        ]


def _is_whole(evidence: Evidence, asset_id: str) -> bool:
    """Whether the history has all that was measured before the plan's end."""
    matched = match_samples(evidence.notes.get(asset_id, ()), evidence.kept[asset_id])
    return not any(note.at_us <= evidence.ended_us for note in matched.missing)


async def read_order(order: PlacedOrder, rest: RestAnswers) -> PlacedOrder:
    """The order with its present state. Raises: NoAnswer."""
    if order.dispatch_id is None:
        return order
    try:
        answer = await rest.ask("GET", f"/dispatch/{order.dispatch_id}")
    except Refused:
        return replace(order, state=None)
    return replace(order, state=answer["state"])


async def read_orders(
    orders: list[PlacedOrder], rest: RestAnswers, patience_s: float
) -> list[PlacedOrder]:
    """The orders with their states, once all have ended, or the patience has.

    Raises: NoAnswer, if the headend does not answer in the end.
    """
    give_up_s = trio.current_time() + patience_s
    while True:
        try:
            orders = [
                each if each.state in ENDED else await read_order(each, rest) for each in orders
            ]
        except NoAnswer:
            if trio.current_time() > give_up_s:
                raise
            await trio.sleep(LOOK_S)
            continue
        still = [o for o in orders if o.dispatch_id is not None and o.state not in ENDED]
        if not still or trio.current_time() > give_up_s:
            return orders
        await trio.sleep(LOOK_S)
