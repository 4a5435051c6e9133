"""UTC for people and JSON (RFC 3339 with ``Z``), and for wire and stores: pure."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def format_us(us: int) -> str:
    """RFC 3339 text, with ``Z`` and as many of six decimals as are not zero.

    Units: ``us`` is microseconds since the epoch. Raises: OverflowError outside years 1..9999.
    """
    text = (_EPOCH + us * _MICROSECOND).replace(tzinfo=None).isoformat()
    if "." in text:
        text = text.rstrip("0")
    return text + "Z"


def parse_us(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 date-time.

    Raises: ValueError, saying what to write instead, for anything else and for a naive
    time (one without ``Z`` or an offset).
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z") from None
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write {text}Z for UTC")
    return (when - _EPOCH) // _MICROSECOND
