"""Stands in for ``deragent run --events``: ``fake_agent.py AGENT_ID BEHAVIOUR``.

It imports nothing of ours, so that it starts in a moment.
"""

import json
import os
import signal
import sys
import time


def say(kind: str) -> None:
    event = {"ts": "2026-01-01T12:00:00Z", "agent_id": sys.argv[1], "event": kind}
    print(json.dumps(event), flush=True)


behaviour = sys.argv[2]
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
say("connecting")
match behaviour:
    case "dies":
        sys.exit(3)
    case "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    case "floods":
        for i in range(20_000):
            print("level=error event=flood", i, file=sys.stderr)
        print("level=info event=quiet", "x" * 1_000_000, file=sys.stderr)
    case "babbles":
        # Says goodbye from within its own loop, as an agent does, so a full pipe can stop it.
        stopping: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
        while not stopping:
            say("connected")
        say("disconnected")
        sys.exit(0)
    case "tells":
        print("NOTIFY_SOCKET" in os.environ, "STATE_DIRECTORY" in os.environ, flush=True)
    case "mumbles":
        print("not an event", flush=True)
say("connected")
time.sleep(600)
