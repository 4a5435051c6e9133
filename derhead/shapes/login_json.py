"""Log-ins as JSON: pure."""

from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.access import Login, Principal
from derhead.shapes.record_shapes.values import Time, time_of


class LoginOrderJson(TypedDict):
    """Credentials to log in with."""

    token: str


class CallerJson(TypedDict):
    """Who the sender of a request is."""

    name: Annotated[
        str | None, Meta(description="null where the headend asks nobody who they are.")
    ]
    role: str
    sites: Annotated[
        list[str] | None,
        Meta(description="The sites that it sees, as its token names them; null: all."),
    ]
    login_id: Annotated[str | None, Meta(description="Its log-in; null without a cookie.")]


class LogOutJson(TypedDict):
    """What a log-out found."""

    ended: Annotated[bool, Meta(description="false: there was no log-in with this cookie.")]


class LoginJson(TypedDict):
    """One log-in of a browser."""

    id: str
    name: str
    peer: Annotated[str | None, Meta(description="The address that it came from.")]
    created_at: Time | None
    used_at: Annotated[Time | None, Meta(description="Its newest request.")]
    ends_at: Annotated[Time | None, Meta(description="When it ends, unless it is used.")]


def caller_shape(caller: Principal, login_id: str | None = None) -> CallerJson:
    return {
        "name": caller.name,
        "role": caller.role,
        "sites": None if caller.sites is None else sorted(caller.sites),
        "login_id": login_id,
    }


def login_shape(login: Login) -> LoginJson:
    return {
        "id": login.id,
        "name": login.name,
        "peer": login.peer,
        "created_at": time_of(login.created_us),
        "used_at": time_of(login.used_us),
        "ends_at": time_of(login.ends_us),
    }
