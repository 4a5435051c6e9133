"""UTC as text (RFC 3339 with ``Z``) and as microseconds: pure."""

from datetime import UTC, datetime, timedelta

MAX_CHARACTERS = 64
"""Characters of a time. When full: the text is refused, and cut where it is repeated."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def format_us(us: int) -> str:
    """RFC 3339 text, with ``Z`` and up to six decimals, without trailing zeros.

    Units: ``us`` is microseconds since the epoch. Raises: OverflowError outside years 1..9999.
    """
    text = (_EPOCH + us * _MICROSECOND).replace(tzinfo=None).isoformat()
    if "." in text:
        text = text.rstrip("0")
    return text + "Z"


def parse_us(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 date-time.

    Raises: ValueError, saying what to write instead, for other texts, for a time without ``Z`` or
    an offset, and for a time that ``format_us`` could not write.
    """
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError
        when = datetime.fromisoformat(text)
    except ValueError:
        shown = text[:MAX_CHARACTERS]
        raise ValueError(
            f"{shown!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
        ) from None
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write {text}Z for UTC")
    us = (when - _EPOCH) // _MICROSECOND
    if not _FIRST_US <= us <= _LAST_US:
        # Only an offset in the text can move the time out of these years.
        raise ValueError(f"{text!r} is not within the years 1 to 9999 of UTC; write such a time")
    return us
