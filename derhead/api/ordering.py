"""Orders: ``POST /dispatch``."""

import json
from typing import Never

from quart import Response, request
from quart_trio import QuartTrio

from derhead.api.params import refuse_unknown
from derhead.api.problems import Problem, not_found
from derhead.api.reading import answer
from derhead.api.shapes import dispatch_shape
from derhead.api.view import HeadendView
from derhead.dispatch import BadOrder, Order, UnknownAsset, read_order


def install(app: QuartTrio, view: HeadendView) -> None:
    """Adds the routes that order."""

    @app.post("/dispatch")
    async def order_dispatch() -> Response:
        refuse_unknown(request.args)
        if request.mimetype != "application/json":
            raise Problem(415, "send the order as content-type: application/json")
        match read_order(_read_json(await request.get_data(as_text=False)), view.fleet):
            case BadOrder(problems):
                raise Problem(
                    422,
                    "the order cannot be taken",
                    errors=[(problem.pointer, problem.detail) for problem in problems],
                )
            case UnknownAsset(asset_id):
                raise not_found("asset", asset_id)
            case Order() as order:
                dispatch = await view.order(order)
        return answer(
            dispatch_shape(dispatch), 201, headers={"Location": f"/dispatch/{dispatch.id}"}
        )


def _read_json(body: bytes | str) -> object:
    """The body. NaN and the infinities are let through, for the order to refuse by name.

    Raises: Problem.
    """
    try:
        return json.loads(body, object_pairs_hook=_object_of)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from None


def _object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse_double([name for name, _ in pairs])
    return members


def _refuse_double(names: list[str]) -> Never:
    double = next(name for name in names if names.count(name) > 1)
    raise ValueError(f"member {double[:100]!r} is there twice")
