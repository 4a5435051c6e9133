"""Signals that whoever started the tests made them ignore, as a shell does after ``&``."""

import signal
from types import FrameType


def heed_in_children(*numbers: signal.Signals) -> None:
    """Programs that the tests start heed these signals, even if the tests ignore them.

    A new program inherits that a signal is ignored, but no handler.
    """
    for number in numbers:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass
