"""The gate recognises callers by their tokens, and forgets what it knew when these change."""

import pytest

from derhead.access import (
    ANYBODY,
    AccessGate,
    AccessRefusal,
    Principal,
    Right,
    Role,
    TokenSet,
    Unauthenticated,
)
from derhead.access.access_gate import KNOWN
from tests.support.access import (
    ADMIN,
    EXPIRED,
    OPERATOR,
    REVOKED,
    STRANGE,
    VIEWER,
    make_gate,
    make_tokens,
)

NOW = 1_000_000


def recognise(sent: str | None, gate: AccessGate | None = None, now_us: int = NOW) -> object:
    gate = make_gate(NOW) if gate is None else gate
    return gate.recognise(None if sent is None else sent.encode(), now_us)


@pytest.mark.parametrize(
    ("token", "role"),
    [(VIEWER, Role.VIEWER), (OPERATOR, Role.OPERATOR), (ADMIN, Role.ADMIN)],
)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_good_token_tells_who_calls(token: str, role: Role, scheme: str) -> None:
    found = recognise(scheme + token)
    assert isinstance(found, Principal)
    assert (found.name, found.role) == (role, role)


@pytest.mark.parametrize(
    ("sent", "error", "why"),
    [
        (None, None, "Authorization: Bearer TOKEN"),
        (f"Bearer {STRANGE}", "invalid_token", "not known"),
        (f"Bearer {VIEWER[:-1]}", "invalid_token", "not known"),
        (f"Bearer {VIEWER}x", "invalid_token", "not known"),
        (f"Bearer {EXPIRED}", "invalid_token", "expired"),
        (f"Bearer {REVOKED}", "invalid_token", "revoked"),
        ("", "invalid_request", "once"),
        ("Bearer ", "invalid_request", "once"),
        (VIEWER, "invalid_request", "once"),
        ("Basic dXNlcjpwYXNz", "invalid_request", "once"),
        (f"Bearer {VIEWER}, Bearer {VIEWER}", "invalid_request", "once"),
        (f'Bearer {VIEWER}"', "invalid_request", "once"),
    ],
)
def test_other_callers_are_told_what_is_wrong(
    sent: str | None, error: str | None, why: str
) -> None:
    found = recognise(sent)
    assert isinstance(found, Unauthenticated)
    assert found.error == error
    assert why in found.detail
    assert found.challenge.startswith('Bearer realm="derhead"')
    assert found.challenge.count('"') % 2 == 0
    assert VIEWER not in found.challenge


def test_a_token_ends_at_its_time_although_it_was_known() -> None:
    gate = make_gate(NOW)
    assert isinstance(recognise(f"Bearer {OPERATOR}", gate, NOW), Principal)
    assert isinstance(recognise(f"Bearer {OPERATOR}", gate, NOW + 1), Unauthenticated)


def test_a_refusal_names_its_reason_and_for_the_log_the_token() -> None:
    for token, reason, name in (
        (EXPIRED, AccessRefusal.EXPIRED, "expired"),
        (REVOKED, AccessRefusal.REVOKED, "revoked"),
        (STRANGE, AccessRefusal.UNKNOWN, None),
    ):
        found = recognise(f"Bearer {token}")
        assert isinstance(found, Unauthenticated)
        assert (found.reason, found.token) == (reason, name)


def test_other_tokens_count_at_once() -> None:
    gate = make_gate(NOW)
    for token in (VIEWER, ADMIN):
        assert isinstance(recognise(f"Bearer {token}", gate), Principal)
    gate.replace(make_tokens(NOW).with_revoked("viewer", NOW))
    assert isinstance(recognise(f"Bearer {VIEWER}", gate), Unauthenticated)
    assert isinstance(recognise(f"Bearer {ADMIN}", gate), Principal)


def test_an_empty_file_accepts_no_token() -> None:
    assert isinstance(recognise(f"Bearer {VIEWER}", AccessGate(TokenSet())), Unauthenticated)
    assert isinstance(recognise(None, AccessGate(TokenSet())), Unauthenticated)


def test_an_open_gate_lets_everybody_do_everything() -> None:
    for sent in (None, "Bearer x", "nonsense"):
        found = recognise(sent, AccessGate())
        assert found is ANYBODY
        assert all(ANYBODY.may(right) for right in (Right.READ, Right.ORDER, Right.ADMINISTER))


def test_the_memory_of_callers_is_bounded() -> None:
    gate = make_gate(NOW)
    for blanks in range(KNOWN + 10):
        assert isinstance(recognise(f"Bearer{' ' * (blanks + 1)}{VIEWER}", gate), Principal)
        assert isinstance(recognise(f"Bearer {STRANGE}{blanks}", gate), Unauthenticated)
    assert len(gate._known) <= KNOWN


def test_each_role_has_its_rights() -> None:
    may = {role: {right for right in Right if Principal("x", role).may(right)} for role in Role}
    assert may[Role.VIEWER] == {Right.READ}
    assert may[Role.OPERATOR] == {Right.READ, Right.ORDER}
    assert may[Role.ADMIN] == {Right.READ, Right.ORDER, Right.ADMINISTER}
    assert may[Role.AGENT] == {Right.CONNECT}
