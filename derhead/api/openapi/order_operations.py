"""Operations on dispatches, and on the trail of who did what."""

from derhead.access import Right
from derhead.api.openapi.answer_specs import answer, listing, ok
from derhead.api.openapi.operations import AnswerSpec, ListOf, Operation
from derhead.api.openapi.parameters import (
    AUDITED,
    DISPATCH,
    FIELDS,
    KEY,
    PAGE,
    RANGE,
    STATE,
    TEXT,
    in_query,
)
from derhead.shapes import (
    JSON_TYPE,
    AuditJson,
    DispatchJson,
    GroupJson,
    OrderJson,
    PreflightJson,
    SitePreflightJson,
)

DISPATCH_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="post",
        path="/dispatch",
        id="orderDispatch",
        right=Right.ORDER,
        tag="dispatch",
        summary="Orders an asset, or a whole site, to hold a power",
        description="With `dry_run` nothing is ordered; the answer says what it would lead to.",
        parameters=(KEY,),
        body=OrderJson,
        answers={
            200: answer(
                "What the order would lead to; nothing was ordered.",
                (PreflightJson, SitePreflightJson),
            ),
            201: AnswerSpec(
                description="The order is on the headend's disk, and on its way.",
                content={JSON_TYPE: (DispatchJson, GroupJson)},
                headers={
                    "Location": "The path of the dispatch.",
                    "Idempotency-Replayed": "`true` if this order came with this key before.",
                },
            ),
        },
        problems=(408, 409, 415, 422),
    ),
    Operation(
        path="/dispatch/history",
        id="listDispatches",
        tag="dispatch",
        summary="All dispatches, newest first",
        parameters=(
            *RANGE,
            *PAGE,
            FIELDS,
            in_query("asset_id", TEXT, "Only of this asset, by UUID or name."),
            in_query("site_id", TEXT, "Only of this site's assets, by UUID or name."),
            STATE,
        ),
        answers=listing("Dispatches.", ListOf(DispatchJson)),
    ),
    Operation(
        path="/dispatch/{dispatch_id}",
        id="showDispatch",
        tag="dispatch",
        summary="A dispatch, or an order to a site with its parts",
        parameters=(DISPATCH,),
        answers=ok("The dispatch, or the order to a site.", (DispatchJson, GroupJson)),
    ),
    Operation(
        method="delete",
        path="/dispatch/{dispatch_id}",
        id="withdrawDispatch",
        right=Right.ORDER,
        tag="dispatch",
        summary="Withdraws a dispatch, or an order to a site",
        parameters=(DISPATCH,),
        answers={
            200: answer("The dispatch has ended.", (DispatchJson, GroupJson)),
            202: answer(
                "The dispatch is being withdrawn; its agent has to confirm.",
                (DispatchJson, GroupJson),
            ),
        },
        problems=(409, 422),
    ),
)

AUDIT_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/audit",
        id="listAudit",
        tag="audit",
        summary="The audit trail: who ordered, withdrew or was refused what, newest first",
        description="Kept for 400 days. Nothing edits an entry.",
        parameters=(*RANGE, *PAGE, FIELDS, *AUDITED),
        answers=listing("Entries.", ListOf(AuditJson)),
    ),
)
