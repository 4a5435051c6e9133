"""Failures are counted, and slow down the address that they come from and no other."""

from derhead.access import AccessRefusal, FailureMeter
from derhead.access.failure_meter import ADDRESSES, FAILURE_S, FAILURES_AT_ONCE


def fail(meter: FailureMeter, address: str | None = "192.0.2.7", now_s: float = 0.0) -> float:
    return meter.refuse(AccessRefusal.UNKNOWN, address, now_s)


def test_an_address_is_slowed_after_some_failures_and_free_again_later() -> None:
    meter = FailureMeter()
    assert [fail(meter) for _ in range(FAILURES_AT_ONCE)] == [0.0] * FAILURES_AT_ONCE
    assert [fail(meter) for _ in range(3)] == [FAILURE_S] * 3
    assert fail(meter, now_s=1.0) == FAILURE_S - 1
    assert fail(meter, now_s=FAILURE_S) == 0
    assert fail(meter, now_s=FAILURE_S) == FAILURE_S
    later = 100 * FAILURE_S
    assert [fail(meter, now_s=later) for _ in range(FAILURES_AT_ONCE)] == [0.0] * FAILURES_AT_ONCE
    assert fail(meter, now_s=later) > 0


def test_one_address_does_not_slow_another() -> None:
    meter = FailureMeter()
    while not fail(meter, "2001:db8::1"):
        pass
    assert fail(meter, "2001:db8::ffff") > 0
    assert fail(meter, "2001:db8:0:1::1") == 0
    assert fail(meter, "192.0.2.7") == 0
    assert fail(meter, None) == 0


def test_failures_from_many_addresses_take_bounded_memory() -> None:
    meter = FailureMeter()
    for number in range(10_000):
        assert fail(meter, f"10.{number >> 8}.{number & 255}.1", number / 1000) == 0
    assert len(meter._clear_at) == ADDRESSES
    # The addresses that failed last are those that are remembered.
    assert f"10.{9_999 >> 8}.{9_999 & 255}.1" in meter._clear_at


def test_who_shows_no_credentials_is_not_slowed() -> None:
    meter = FailureMeter()
    for _ in range(3 * FAILURES_AT_ONCE):
        assert meter.refuse(AccessRefusal.MISSING, "192.0.2.7", 0) == 0
    while not fail(meter):
        pass
    assert meter.refuse(AccessRefusal.MISSING, "192.0.2.7", 0) == 0
    assert meter.refused[AccessRefusal.SLOWED] == 1


def test_refusals_are_counted_by_reason() -> None:
    meter = FailureMeter()
    for reason in (AccessRefusal.EXPIRED, AccessRefusal.SLOWED, AccessRefusal.EXPIRED):
        meter.count(reason)
    assert meter.refused == {AccessRefusal.EXPIRED: 2, AccessRefusal.SLOWED: 1}
