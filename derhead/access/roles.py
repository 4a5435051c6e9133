"""Roles, their rights, and principals: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """What a caller must have for a request."""

    READ = "read"
    ORDER = "order"
    """Give orders and withdraw them."""
    ADMINISTER = "administer"
    CONNECT = "connect"
    """Open a session as an agent. No request of REST needs it."""


class Role(StrEnum):
    """What a token is for; ``RIGHTS`` says what each role may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AGENT = "agent"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.READ}),
    Role.OPERATOR: frozenset({Right.READ, Right.ORDER}),
    Role.ADMIN: frozenset({Right.READ, Right.ORDER, Right.ADMINISTER}),
    Role.AGENT: frozenset({Right.CONNECT}),
}

ANY_AGENT = "*"
"""Stands for every agent, in a token for bring-up."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whom the headend knows."""

    name: str | None
    """For the audit trail; None = the headend asks nobody."""
    role: Role
    sites: frozenset[str] | None = None
    """Ids or names of the sites that it sees; None = all."""
    agent: str | None = None
    """The agent that it is, or ``ANY_AGENT``; None for other roles."""
    expires_us: int | None = None
    """When its credentials end, microseconds since the epoch; None = never."""

    def may(self, right: Right) -> bool:
        """Whether its role has that right."""
        return right in RIGHTS[self.role]


ANYBODY = Principal(None, Role.ADMIN)
"""The caller of a headend that asks nobody who it is."""


def roles_with(right: Right) -> list[Role]:
    """The roles that have that right."""
    return [role for role in Role if right in RIGHTS[role]]


def needed_role(right: Right) -> Role:
    """The least role that has that right."""
    return min(roles_with(right), key=lambda role: len(RIGHTS[role]))
