"""The kinds of problems that REST answers with: pure.

Each kind's ``type`` (RFC 9457) is a path that the headend serves, ``/docs/problems#…``, and a
heading of ``docs/problems.md``; both are made of this table.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem."""

    slug: str
    status: int
    title: str
    """The same for every problem of the kind."""
    meaning: str
    remedy: str
    """What the caller can do."""

    @property
    def type(self) -> str:
        """The problem's ``type``: a relative URI reference."""
        return f"/docs/problems#{self.slug}"


class ProblemKinds(Enum):
    """All there are. Several may share a status."""

    MALFORMED = ProblemKind(
        "malformed",
        400,
        "The request is malformed",
        "The body is not JSON, a header cannot be read, or the request breaks HTTP.",
        "Mend what `detail` names, and send it again.",
    )
    UNKNOWN = ProblemKind(
        "unknown",
        404,
        "There is no such thing",
        "Nothing is at this path, or no asset, site, agent or dispatch has this id or name.",
        "Look it up in `GET /assets`, `GET /agents` or `GET /dispatch/history`.",
    )
    METHOD = ProblemKind(
        "method",
        405,
        "The method is not possible here",
        "The path exists and answers other methods, which the `Allow` header lists.",
        "Use one of those.",
    )
    SLOW_BODY = ProblemKind(
        "slow-body",
        408,
        "The body took too long",
        "The request's body did not arrive within 10 s.",
        "Send it again, over a better connection.",
    )
    CONFLICT = ProblemKind(
        "conflict",
        409,
        "It does not fit the state of things",
        "The dispatch has ended, the asset has as many open dispatches as it may have, or an"
        " order with the same Idempotency-Key is being taken at this moment.",
        "Look at what `detail` tells, and decide anew.",
    )
    TOO_LARGE = ProblemKind(
        "too-large",
        413,
        "The request is too large",
        "Its body is longer than the headend reads.",
        "Send less: an order takes a few hundred bytes.",
    )
    MEDIA_TYPE = ProblemKind(
        "media-type",
        415,
        "The body is of a type that is not understood",
        "Orders are JSON.",
        "Send `Content-Type: application/json`.",
    )
    INVALID = ProblemKind(
        "invalid",
        422,
        "The request cannot be carried out as it stands",
        "Parameters or members are missing, unknown or out of range. `errors` names each.",
        "Mend each by what its `detail` says; nothing was done.",
    )
    HEADERS_TOO_LARGE = ProblemKind(
        "headers-too-large",
        431,
        "The header is too large",
        "Path, query and header fields together are longer than the headend reads.",
        "Send less of them.",
    )
    FAULT = ProblemKind(
        "fault",
        500,
        "The headend failed to answer",
        "A defect of the headend. Its log has the details, under the answer's `X-Request-Id`.",
        "Report it, with that id.",
    )
    UNAVAILABLE = ProblemKind(
        "unavailable",
        503,
        "The headend cannot do this now",
        "Its disk takes no records, its history cannot be read, or as many are served as may be."
        " Nothing was done.",
        "Try again after the seconds of `Retry-After`; `GET /readyz` tells how the headend is.",
    )
    OTHER = ProblemKind(
        "other",
        0,
        "The request cannot be served",
        "What HTTP's status says.",
        "See the status.",
    )


_BY_STATUS = {problem.value.status: problem.value for problem in ProblemKinds}


def kind_of(status: int) -> ProblemKind:
    """The kind that answers with that status."""
    return _BY_STATUS.get(status, ProblemKinds.OTHER.value)
