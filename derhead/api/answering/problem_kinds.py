"""The kinds of problems that REST answers with: pure.

Each kind's ``type`` (RFC 9457) is a path that the headend serves, ``/docs/problems#…``, and a
heading of ``docs/problems.md``. Both are made from this table.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem."""

    slug: str
    status: int
    title: str
    """The same text for every problem of this kind."""
    meaning: str
    remedy: str
    """What the caller can do."""

    @property
    def type(self) -> str:
        """The problem's ``type``: a relative URI reference."""
        return f"/docs/problems#{self.slug}"


class ProblemKinds(Enum):
    """All kinds of problems, with one status each."""

    MALFORMED = ProblemKind(
        "malformed",
        400,
        "The request is malformed",
        "The body is not JSON, a header is unreadable, or the request breaks HTTP.",
        "Correct what `detail` names, and send the request again.",
    )
    UNAUTHENTICATED = ProblemKind(
        "unauthenticated",
        401,
        "The headend does not know the caller",
        "The request has no token, or one that is unknown, expired or revoked.",
        "Send `Authorization: Bearer TOKEN` with a good token, which an administrator makes with"
        " `derhead token add`.",
    )
    FORBIDDEN = ProblemKind(
        "forbidden",
        403,
        "The caller may not do this",
        "The token's role lacks the right that the request needs. Or a browser sent the request"
        " under a host name that the headend does not know as its own, or for a web page of"
        " another origin.",
        "Use a token of a role that `detail` names. Or ask under a name or address of the headend."
        " Or add the name to `http_allowed_hosts`, or the page's origin to `cors_origins`, in the"
        " headend's configuration.",
    )
    UNKNOWN = ProblemKind(
        "unknown",
        404,
        "Not found",
        "The path does not exist, or no asset, site, agent or dispatch has this id or name.",
        "Look it up in `GET /assets`, `GET /agents` or `GET /dispatch/history`.",
    )
    METHOD = ProblemKind(
        "method",
        405,
        "The path does not have this method",
        "The path exists and has other methods, which the `Allow` header lists.",
        "Use one of these methods.",
    )
    SLOW_BODY = ProblemKind(
        "slow-body",
        408,
        "The body took too long",
        "The request's body did not arrive within 10 s.",
        "Send the request again, over a faster connection.",
    )
    CONFLICT = ProblemKind(
        "conflict",
        409,
        "The request conflicts with the present state",
        "The dispatch has ended, the asset has as many open dispatches as it may have, or an"
        " order with the same Idempotency-Key is being taken at this moment.",
        "Read `detail`, and decide again.",
    )
    TOO_LARGE = ProblemKind(
        "too-large",
        413,
        "The request is too large",
        "The body is longer than the headend reads.",
        "Send less: an order takes a few hundred bytes.",
    )
    MEDIA_TYPE = ProblemKind(
        "media-type",
        415,
        "The body has an unsupported type",
        "Orders are JSON.",
        "Send `Content-Type: application/json`.",
    )
    INVALID = ProblemKind(
        "invalid",
        422,
        "The request is invalid",
        "Parameters or members are missing, unknown or out of range. `errors` names each.",
        "Correct each as its `detail` says. Nothing was done.",
    )
    TOO_MANY = ProblemKind(
        "too-many",
        429,
        "Too many failures",
        "This address has sent wrong credentials so often that further ones are not looked at for"
        " a while.",
        "Correct the token, then try again after the seconds of `Retry-After`. A good token is"
        " answered at any time.",
    )
    HEADERS_TOO_LARGE = ProblemKind(
        "headers-too-large",
        431,
        "The header is too large",
        "Path, query and header fields together are longer than the headend reads.",
        "Send fewer or shorter ones.",
    )
    FAULT = ProblemKind(
        "fault",
        500,
        "The headend failed to answer",
        "A defect of the headend. The log has the details under the answer's `X-Request-Id`.",
        "Report it with that id.",
    )
    UNAVAILABLE = ProblemKind(
        "unavailable",
        503,
        "The headend cannot do this now",
        "The disk takes no records, the history is unreadable, the headend serves as many"
        " clients as it may, or it stands by for another one. Nothing was done.",
        "Try again after the seconds of `Retry-After`. `GET /readyz` shows the headend's state.",
    )
    OTHER = ProblemKind(
        "other",
        0,
        "The request cannot be served",
        "The HTTP status says why.",
        "See the status.",
    )


_BY_STATUS = {problem.value.status: problem.value for problem in ProblemKinds}


def kind_of(status: int) -> ProblemKind:
    """The kind with that status; ``OTHER`` if there is none."""
    return _BY_STATUS.get(status, ProblemKinds.OTHER.value)
