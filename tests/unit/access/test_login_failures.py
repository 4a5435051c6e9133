"""Ten thousand failed log-ins leave nothing behind that grows."""

import tracemalloc

from derhead.access import AccessGate, FailureMeter, Unauthenticated
from derhead.access.failure_meter import ADDRESSES
from derhead.access.jwt_judge import IssuerKeys, JwtJudge, read_keys
from tests.support.access import VIEWER, make_tokens
from tests.unit.access.jwts import KEY, NOW, TERMS, jwks

FAILURES = 10_000


def fail(gate: AccessGate, number: int) -> float:
    """One of a token or a JWT that nobody made, from an address of its own."""
    shown = b"Bearer " + (b"%d.b.c" if number % 2 else b"%d") % number + b"x" * 1_000
    found = gate.recognise(shown, NOW)
    assert isinstance(found, Unauthenticated)
    address = f"2001:db8:{number:x}::1"
    return gate.failures.refuse(found.reason, address, number / 1_000)


def test_ten_thousand_failures_take_bounded_memory_and_keep_nobody_out() -> None:
    gate = AccessGate(make_tokens(NOW))
    gate.replace_issuer(JwtJudge(TERMS, IssuerKeys(read_keys(jwks(KEY)).keys, None)))
    for number in range(ADDRESSES):
        fail(gate, number)
    tracemalloc.start()
    try:
        for number in range(ADDRESSES, FAILURES):
            fail(gate, number)
        grown_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The newest addresses replace the oldest; each takes some 200 bytes.
    assert grown_bytes < 300 * ADDRESSES
    assert sum(gate.failures.refused.values()) == FAILURES
    assert not isinstance(gate.recognise(b"Bearer " + VIEWER.encode(), NOW), Unauthenticated)


def test_ten_thousand_failures_of_one_address_are_one_entry() -> None:
    meter = FailureMeter()
    gate = AccessGate(make_tokens(NOW))
    for number in range(FAILURES):
        found = gate.recognise(b"Bearer %d" % number, NOW)
        assert isinstance(found, Unauthenticated)
        meter.refuse(found.reason, "192.0.2.7", 0)
    assert len(meter._clear_at) == 1
