"""``POST /dispatch``: an order is read, recognised if it was sent before, and placed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from quart import Response, request

from derhead.api.dispatch_shapes import (
    dispatch_shape,
    group_shape,
    preflight_shape,
    site_preflight_shape,
)
from derhead.api.jsonbody import BadJson, parse_json
from derhead.api.replies import Refused, reply
from derhead.api.view import HeadendView
from derhead.dispatch import (
    AssetOrder,
    BadOrder,
    DoesNotFit,
    InFlight,
    KeyClaim,
    SiteOrder,
    TooManyOpen,
    UnknownAsset,
    UnknownSite,
    UsedKey,
    fingerprint,
    parse_order,
    read_key,
    why_left_out,
)
from derhead.errors import JournalError

log = logging.getLogger(__name__)

KEY_HEADER = "Idempotency-Key"

LOGGED = 3
"""Errors of a refused order in its log line. When full: the others stand in the answer only."""


async def take_order(view: HeadendView) -> Response:
    """Answers the request at hand; a refusal is logged. Raises: Refused, JournalError."""
    try:
        return await _take_order(view)
    except Refused as refused:
        errors = "; ".join(f"{pointer}: {detail}" for pointer, detail in refused.errors[:LOGGED])
        why = ": ".join(filter(None, (refused.detail, errors)))
        log.info("an order was refused with %d: %s", refused.status, why)
        raise


async def _take_order(view: HeadendView) -> Response:
    body = await _read_body()
    key = _read_key()
    if key is None:
        return await _answer(view, _read_order(view, body), None)
    with _claimed(view, key):
        # Before the order is looked at: what was an order once is the same order for ever,
        # though its start has gone by since.
        claim = KeyClaim(key, fingerprint(body))
        used = await view.keys.find(key)
        if used is None:
            return await _answer(view, _read_order(view, body), claim)
        if used.fingerprint != claim.fingerprint:
            detail = "this key came with another order before; write a new key for a new order"
            raise Refused(422, detail, [(f"/header/{KEY_HEADER}", detail)])
        return await _replay(view, used)


async def _read_body() -> object:
    kind = request.mimetype
    if kind != "application/json" and not kind.endswith("+json"):
        sent = f"{kind[:80]!r} is" if kind else "a body without Content-Type is"
        raise Refused(415, f"{sent} not understood; send Content-Type: application/json")
    body = parse_json(await request.get_data(cache=True, as_text=False, parse_form_data=False))
    if isinstance(body, BadJson):
        raise Refused(400, body.detail)
    return body


def _read_key() -> str | None:
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    try:
        if len(given) > 1:
            raise ValueError(f"given {len(given)} times; write it once")
        return read_key(given[0])
    except ValueError as wrong:
        raise Refused(
            400, f"{KEY_HEADER}: {wrong}", [(f"/header/{KEY_HEADER}", str(wrong))]
        ) from None


@contextmanager
def _claimed(view: HeadendView, key: str) -> Iterator[None]:
    try:
        with view.keys.claim(key):
            yield
    except InFlight:
        raise Refused(
            409, "an order with this key is being taken now; ask again when it is answered"
        ) from None


def _read_order(view: HeadendView, body: object) -> AssetOrder | SiteOrder:
    order = parse_order(body, view.fleet, view.wall_us())
    match order:
        case UnknownAsset(asset):
            detail = f"no asset has the id or name {asset[:80]!r}; GET /assets lists them"
            raise Refused(404, detail, [("/asset_id", detail)])
        case UnknownSite(site):
            known = "GET /assets names the site of each"
            detail = f"no site has the id or name {site[:80]!r}; {known}"
            raise Refused(404, detail, [("/site_id", detail)])
        case BadOrder(problems, more):
            detail = "the order cannot be used; nothing was dispatched"
            raise Refused(422, detail, problems, more=more)
        case AssetOrder() | SiteOrder():
            return order


async def _answer(
    view: HeadendView, order: AssetOrder | SiteOrder, claim: KeyClaim | None
) -> Response:
    if order.dry_run:
        if isinstance(order, AssetOrder):
            return reply(preflight_shape(view.preflight(order)))
        return reply(site_preflight_shape(view.preflight_site(order)))
    failing = view.failing()
    if failing is not None:
        raise JournalError(failing)
    try:
        if isinstance(order, AssetOrder):
            dispatch = await view.order(order, claim)
            return reply(dispatch_shape(dispatch), 201, headers=_location(dispatch.id))
        found = await view.order_site(order, claim)
    except TooManyOpen as full:
        raise Refused(409, str(full)) from full
    if isinstance(found, DoesNotFit):
        if found.low_mw < found.high_mw:
            detail = (
                f"{order.mw:.12g} is not what the site can do now; write a number from "
                f"{found.low_mw:.12g} to {found.high_mw:.12g}, in MW"
            )
        else:
            detail = "the site can do nothing now; order again when its assets are online"
        if found.left_out:
            detail += f" (of its assets take no part: {why_left_out(found.left_out)})"
        raise Refused(422, "the order does not fit; nothing was dispatched", [("/mw", detail)])
    group, parts = found
    return reply(group_shape(group, parts), 201, headers=_location(group.id))


async def _replay(view: HeadendView, used: UsedKey) -> Response:
    """What the key led to, as it is now."""
    headers = {**_location(used.target_id), "Idempotency-Replayed": "true"}
    if used.kind == "group":
        found = await view.history.group(used.target_id)
        if found is not None:
            return reply(group_shape(*found), 201, headers=headers)
    else:
        dispatch = await view.history.dispatch(used.target_id)
        if dispatch is not None:
            return reply(dispatch_shape(dispatch), 201, headers=headers)
    raise JournalError("the journal has lost what this key led to")


def _location(target_id: str) -> dict[str, str]:
    return {"Location": f"/dispatch/{target_id}"}
