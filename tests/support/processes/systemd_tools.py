"""systemd's own tools, which judge unit files and make users without a running systemd.

``python -m tests.support.processes.systemd_tools`` prints their paths. It exits with code 1 if one
is missing, and ``scripts/test`` then installs systemd.
"""

import shutil
import sys

PROGRAMS = ("systemd-analyze", "systemd-sysusers")


def find_tools() -> list[str] | None:
    """The programs; None if one of them is not on this machine."""
    found = [shutil.which(name) for name in PROGRAMS]
    return None if None in found else [path for path in found if path]


if __name__ == "__main__":
    tools = find_tools()
    print(tools or "systemd's tools are not here: apt-get install systemd")
    sys.exit(tools is None)
