"""The stack of the main thread in the log, if SIGABRT or a crash ends a daemon."""

import faulthandler
import signal


def show_stack_at_abort() -> None:
    """From now on SIGABRT, by which systemd's watchdog ends a loop that stands still, shows on
    stderr where the loop stands.

    It shows one thread: CPython cannot read the stacks of others while they run, and sometimes
    crashed over them. ``derproto.base.runtime`` makes sure that the main thread gets the signal. A
    crash shows the thread that crashed.
    """
    faulthandler.enable(all_threads=False)
    # Whoever started the process may have held SIGABRT back.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGABRT})
