"""SIGHUP from a program's first moment on: held until somebody can act on it, and never fatal.

Import this module first: that takes a millisecond, and the rest of a daemon's start takes seconds.
"""

import os
import signal
from types import FrameType


class HeldHangups:
    """A signal handler that only remembers that SIGHUP came."""

    def __init__(self, *, was_ignored: bool, had_terminal: bool) -> None:
        self.was_ignored = was_ignored
        """Whether the process was started with SIGHUP ignored, as ``nohup`` does."""
        self.had_terminal = had_terminal
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True


def hold_hangups() -> None:
    """From now on SIGHUP ends nothing; ``derproto.system.reloading.watch_hangups`` acts on it."""
    was_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    # Ignore it at once: the look at the terminal takes time.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A handler of Python, unlike SIG_IGN, is not inherited by the programs that this one starts.
    held = HeldHangups(was_ignored=was_ignored, had_terminal=has_terminal())
    signal.signal(signal.SIGHUP, held)


def release_hangups() -> None:
    """Restores the former effect of SIGHUP, also for one that has come meanwhile: it ends a command
    that is not a daemon."""
    held = signal.getsignal(signal.SIGHUP)
    if isinstance(held, HeldHangups):
        signal.signal(signal.SIGHUP, signal.SIG_IGN if held.was_ignored else signal.SIG_DFL)
        if held.came:
            os.kill(os.getpid(), signal.SIGHUP)


def ignore_hangups() -> None:
    """From now on SIGHUP does nothing, until the process is gone.

    Python removes its own handlers before it ends, and SIGHUP would then be fatal again.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def has_terminal() -> bool:
    """Whether the process has a terminal that can send it signals."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
