"""Ends a launcher's agents when the launcher itself was killed, so that none is orphaned.

Run as a script: ``guard.py GRACE_S``, as the leader of the process group that all agents
join. Its standard input is a pipe that only the launcher holds: a byte says that all agents
have ended; the pipe's end says that the launcher died, however it died.

Why not PR_SET_PDEATHSIG: that signal comes when the *thread* that started the child ends,
and Trio starts children in worker threads, which end once they have idled for a while. A
process group needs no code between fork and exec, includes what agents start themselves,
and its number cannot be taken by strangers while this process leads it.
"""

import os
import signal
import sys
import time


def main() -> None:
    """Waits for the launcher's end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.read(0, 1):
        return
    os.killpg(0, signal.SIGTERM)
    time.sleep(float(sys.argv[1]))
    # Itself included, which is its end.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
