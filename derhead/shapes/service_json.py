"""The headend's own state, and problems, as JSON: pure."""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta


class HealthJson(TypedDict):
    """Whether the headend can do its work."""

    status: Literal["ok", "failing"]
    not_ready: Annotated[
        list[str],
        Meta(description="Checks of `/readyz` that are not ready: look, do not restart."),
    ]
    journal: NotRequired[Annotated[str, Meta(description="Why the journal takes no records.")]]


class CheckJson(TypedDict):
    """The state of one part of the headend."""

    name: str
    status: Literal["ready", "degraded", "unready"]
    detail: str


class ReadinessJson(TypedDict):
    """Whether the headend takes records and orders: its worst check decides."""

    status: Literal["ready", "degraded", "unready"]
    checks: list[CheckJson]


class ProblemErrorJson(TypedDict):
    """One thing that is wrong, and what to write instead."""

    pointer: Annotated[
        str,
        Meta(
            description="JSON pointer (RFC 6901): into the body; `/query/NAME` and"
            " `/header/NAME` name a parameter or a header."
        ),
    ]
    detail: str


class ProblemJson(TypedDict):
    """Why a request failed (RFC 9457)."""

    type: Annotated[str, Meta(description="The kind of problem; a page of the documentation.")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    instance: NotRequired[
        Annotated[str, Meta(description="The path that was asked for, where one can be read.")]
    ]
    errors: list[ProblemErrorJson]
