"""Tokens for tests: one of each role, and a gate that knows them."""

from derhead.access import AccessGate, Role, Token, TokenSet, digest_of, spell

VIEWER, OPERATOR, ADMIN = (spell(bytes([n]) * 32) for n in range(3))
ALAMOSA, NORTH = (spell(bytes([n]) * 32) for n in range(5, 7))
"""Operators of one site each, those of the fake headend and of another one."""
LOCAL_ADMIN = spell(bytes([9]) * 32)
"""An administrator of one site, that of the fake headend."""
OF_AGENT_2 = spell(bytes([13]) * 32)
OF_AGENT, OF_ANY_AGENT = (spell(bytes([n]) * 32) for n in range(7, 9))
"""Tokens of ``agent-1``, and of any agent."""
EXPIRED, REVOKED, STRANGE = (spell(bytes([n]) * 32) for n in range(10, 13))


def make_tokens(now_us: int) -> TokenSet:
    """The tokens above, but for STRANGE; each is named like its role or its state."""

    def make(
        secret: str,
        role: Role,
        name: str = "",
        sites: tuple[str, ...] | None = None,
        *,
        agent: str | None = None,
        expires_us: int | None = None,
        revoked_us: int | None = None,
    ) -> Token:
        digest = digest_of(secret.encode())
        return Token(name or role, role, digest, now_us - 10, sites, agent, expires_us, revoked_us)

    return TokenSet(
        [
            make(VIEWER, Role.VIEWER),
            make(OPERATOR, Role.OPERATOR, expires_us=now_us + 1),
            make(ADMIN, Role.ADMIN),
            make(ALAMOSA, Role.OPERATOR, "alamosa", ("Alamosa",)),
            make(NORTH, Role.OPERATOR, "north", ("North", "Atlantis")),
            make(LOCAL_ADMIN, Role.ADMIN, "local-admin", ("Alamosa",)),
            make(OF_AGENT, Role.AGENT, "of-agent", agent="agent-1"),
            make(OF_AGENT_2, Role.AGENT, "of-agent-2", agent="agent-2"),
            make(OF_ANY_AGENT, Role.AGENT, "of-any-agent", agent="*"),
            make(EXPIRED, Role.ADMIN, "expired", expires_us=now_us),
            make(REVOKED, Role.ADMIN, "revoked", revoked_us=now_us - 5),
        ]
    )


def make_gate(now_us: int) -> AccessGate:
    """A gate that asks for these tokens."""
    return AccessGate(make_tokens(now_us))


def bearer(token: str) -> dict[str, str]:
    """The header that sends it."""
    return {"Authorization": f"Bearer {token}"}
