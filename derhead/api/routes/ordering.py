"""``POST /dispatch``: reads an order, recognises a repeated one, and places it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from quart import Response, request

from derhead.api.answering.callers import current_caller, current_fleet, current_sender
from derhead.api.answering.headend_parts import HasClock, HasFleet, HasHistory
from derhead.api.answering.lookups import read_json, read_query, require_visible
from derhead.api.answering.replies import HttpProblem, reply, reply_with_list
from derhead.audit import NOBODY_KNOWN, AuditAction, AuditTrail, Caller
from derhead.dispatch import (
    AssetOrder,
    BadOrder,
    Dispatch,
    DispatchGroup,
    DoesNotFit,
    FoundGroup,
    InFlight,
    KeyClaim,
    KeyKeeper,
    Preflight,
    SiteOrder,
    SitePreflight,
    TooManyOpen,
    UnknownAsset,
    UnknownSite,
    UsedKey,
    asked_of,
    fingerprint,
    key_of,
    parse_order,
    read_key,
    why_left_out,
)
from derhead.errors import JournalError
from derhead.shapes import (
    dispatch_shape,
    group_shape,
    preflight_shape,
    site_preflight_shape,
)
from derproto.stdio.log_events import event_log

log = event_log(__name__)

KEY_HEADER = "Idempotency-Key"

LOGGED = 3
"""Errors in the log line of a refused order. When full: the others are in the answer only."""


class OrderingParts(HasFleet, HasClock, HasHistory, Protocol):
    """The part of the headend that an order uses."""

    @property
    def audit(self) -> AuditTrail: ...

    @property
    def keys(self) -> KeyKeeper: ...

    def failing(self) -> str | None:
        """Why orders cannot be stored now; None if they can."""

    async def order(
        self, order: AssetOrder, claim: KeyClaim | None = None, caller: Caller = NOBODY_KNOWN
    ) -> Dispatch:
        """Takes an order. Its dispatch, its key and its caller are on disk when this returns.

        Raises: JournalError, TooManyOpen; then there is no dispatch.
        """

    async def order_site(
        self, order: SiteOrder, claim: KeyClaim | None = None, caller: Caller = NOBODY_KNOWN
    ) -> FoundGroup | DoesNotFit:
        """Like ``order``, for a whole site."""

    def preflight(self, order: AssetOrder) -> Preflight:
        """What an order to an asset would lead to."""

    async def preflight_site(self, order: SiteOrder) -> SitePreflight:
        """What an order to a site would lead to."""


async def take_order(headend: OrderingParts) -> Response:
    """Answers the current request, and notes a refusal. Raises: HttpProblem, JournalError."""
    body: object = None
    try:
        read_query(())
        body = await _read_body()
        return await _take_order(headend, body)
    except HttpProblem as refused:
        why = _in_words(refused)
        log.info("order refused", status=refused.status, reason=why, by=current_caller().known_as)
        _note_refused(headend, body, refused.status, why)
        raise
    except JournalError as failed:
        # The entry waits until the journal stores again. The app logs the failure.
        _note_refused(headend, body, 503, str(failed))
        raise


def _note_refused(headend: OrderingParts, body: object, status: int, why: str) -> None:
    asked = asked_of(body, current_fleet())
    headend.audit.note(
        AuditAction.ORDER_REFUSED,
        current_caller(),
        str(status),
        target=asked.target,
        site_id=asked.site_id or current_sender().sole_site,
        detail=why,
        after=asked.entry,
    )


def _in_words(refused: HttpProblem) -> str:
    errors = [f"{pointer}: {detail}" for pointer, detail in refused.errors[:LOGGED]]
    is_repeated = any(detail == refused.detail for _, detail in refused.errors)
    parts = ("" if is_repeated else refused.detail, "; ".join(errors))
    return ": ".join(part for part in parts if part)


async def _take_order(headend: OrderingParts, body: object) -> Response:
    key = _read_key()
    if key is None:
        return await _answer(headend, _read_order(headend, body), None)
    with _claimed(headend, key):
        # The key comes before the order's own checks: a repeated order is valid although its
        # start has passed.
        claim = KeyClaim(key, fingerprint(body))
        used = await headend.keys.find(key)
        if used is None:
            return await _answer(headend, _read_order(headend, body), claim)
        if used.fingerprint != claim.fingerprint:
            detail = "this key was used for another order; write a new key for a new order"
            raise HttpProblem(422, detail, [(f"/header/{KEY_HEADER}", detail)])
        return await _replay(headend, used)


async def _read_body() -> object:
    kind = request.mimetype
    if kind != "application/json" and not kind.endswith("+json"):
        sent = f"{kind[:80]!r} is" if kind else "a body without Content-Type is"
        raise HttpProblem(415, f"{sent} not understood; send Content-Type: application/json")
    return await read_json()


def _read_key() -> str | None:
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    try:
        if len(given) > 1:
            raise ValueError(f"given {len(given)} times; write it once")
        return key_of(current_caller().name, read_key(given[0]))
    except ValueError as wrong:
        raise HttpProblem(
            400, f"{KEY_HEADER}: {wrong}", [(f"/header/{KEY_HEADER}", str(wrong))]
        ) from None


@contextmanager
def _claimed(headend: OrderingParts, key: str) -> Iterator[None]:
    try:
        with headend.keys.claim(key):
            yield
    except InFlight:
        raise HttpProblem(
            409, "an order with this key is still being answered; repeat the request later"
        ) from None


def _read_order(headend: OrderingParts, body: object) -> AssetOrder | SiteOrder:
    order = parse_order(body, current_fleet(), headend.wall_us())
    match order:
        case UnknownAsset(asset):
            detail = f"no asset has the id or name {asset[:80]!r}; GET /assets lists them"
            raise HttpProblem(404, detail, [("/asset_id", detail)])
        case UnknownSite(site):
            known = "GET /assets names the site of each"
            detail = f"no site has the id or name {site[:80]!r}; {known}"
            raise HttpProblem(404, detail, [("/site_id", detail)])
        case BadOrder(problems, more):
            detail = "the order cannot be used; nothing was dispatched"
            raise HttpProblem(422, detail, problems, more=more)
        case AssetOrder() | SiteOrder():
            return order


async def _answer(
    headend: OrderingParts, order: AssetOrder | SiteOrder, claim: KeyClaim | None
) -> Response:
    if order.dry_run:
        if isinstance(order, AssetOrder):
            return reply(preflight_shape(headend.preflight(order)))
        tried = await headend.preflight_site(order)
        parts_shapes = map(preflight_shape, tried.parts)
        return await reply_with_list(site_preflight_shape(tried), "parts", parts_shapes)
    failing = headend.failing()
    if failing is not None:
        raise JournalError(failing)
    try:
        if isinstance(order, AssetOrder):
            dispatch = await headend.order(order, claim, current_caller())
            log.info(
                "dispatch ordered",
                dispatch=dispatch.id,
                asset=dispatch.asset_id,
                mw=dispatch.mw,
                by=dispatch.ordered_by,
            )
            return reply(dispatch_shape(dispatch), 201, headers=_location(dispatch.id))
        found = await headend.order_site(order, claim, current_caller())
    except TooManyOpen as full:
        raise HttpProblem(409, str(full)) from full
    if isinstance(found, DoesNotFit):
        if found.low_mw < found.high_mw:
            detail = (
                f"the site cannot hold {order.mw:.12g} now; write a number from "
                f"{found.low_mw:.12g} to {found.high_mw:.12g}, in MW"
            )
        else:
            detail = "no asset of the site can take part now; order again when some can"
        if found.left_out:
            detail += f" (assets that take no part: {why_left_out(found.left_out)})"
        raise HttpProblem(422, "the order does not fit; nothing was dispatched", [("/mw", detail)])
    group, parts = found
    log.info(
        "group ordered",
        group=group.id,
        site=group.site_id,
        mw=group.mw,
        assets=len(parts),
        by=group.ordered_by,
    )
    return await reply_group(group, parts, 201, _location(group.id))


async def reply_group(
    group: DispatchGroup,
    parts: Sequence[Dispatch],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answers with an order to a site, which may have thousands of parts."""
    shapes = map(dispatch_shape, parts)
    return await reply_with_list(group_shape(group, parts), "parts", shapes, status, headers)


async def _replay(headend: OrderingParts, used: UsedKey) -> Response:
    """Answers with the dispatch or group that the key led to, as it is now."""
    headers = {**_location(used.target_id), "Idempotency-Replayed": "true"}
    if used.kind == "group":
        found = await headend.history.group(used.target_id)
        if found is not None:
            require_visible(found[0])
            return await reply_group(*found, 201, headers)
    else:
        dispatch = await headend.history.dispatch(used.target_id)
        if dispatch is not None:
            require_visible(dispatch)
            return reply(dispatch_shape(dispatch), 201, headers=headers)
    raise JournalError("the journal has lost the dispatch of this key")


def _location(target_id: str) -> dict[str, str]:
    return {"Location": f"/dispatch/{target_id}"}
