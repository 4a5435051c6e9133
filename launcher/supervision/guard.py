"""Ends the agents of a launcher that was killed, so that none is orphaned.

Runs as a script, ``guard.py GRACE_S``, and leads the process group that all agents join. Its
standard input is a pipe that only the launcher holds. A byte means that all agents have ended; the
pipe's end means that the launcher died.

Why not PR_SET_PDEATHSIG: that signal comes when the *thread* that started the child ends, and Trio
starts children in worker threads that end when idle. A process group needs no code between fork
and exec, and includes the children of agents. No other group can take its number while this
process leads it.
"""

import os
import signal
import sys
import time


def main() -> None:
    """Waits until the launcher ends; if it died, ends the agents."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.read(0, 1):
        return
    os.killpg(0, signal.SIGTERM)
    time.sleep(float(sys.argv[1]))
    # The kill includes this process.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
