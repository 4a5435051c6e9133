"""Types what documents say on a machine with systemd, and looks whether its watchdog bites."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.support.processes.machine import BLOCK
from tests.support.waiting import eventually


def typed(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def follow(document: Path) -> None:
    """Runs each block in its order; ends the program at the first that does not do as it says."""
    for marked, code in BLOCK.findall(document.read_text(encoding="utf-8")):
        print("".join(f"# {line}\n" for line in code.splitlines()), end="", flush=True)
        done = typed(code)
        if marked == "over":
            done = eventually(code, partial(succeeded, code))
        print(done.stdout, flush=True)
        if (done.returncode != 0) is not (marked == "fails"):
            sys.exit(f"{document}: this block ended with {done.returncode}")


def succeeded(code: str) -> subprocess.CompletedProcess[str] | None:
    done = typed(code)
    return done if done.returncode == 0 else None


def watchdog_bites() -> None:
    """Stops the loop of an installed headend, and waits for systemd to start another."""
    typed("scripts/install; derlaunch generate 3 > /etc/derhead/assets.yaml")
    assert typed("systemctl restart derhead").returncode == 0
    status = typed("cat /proc/$(systemctl show --property MainPID --value derhead)/status").stdout
    print(*re.findall(r"(?:NoNewPrivs|Seccomp|CapBnd):\s+\w+", status), flush=True)
    typed("kill -STOP $(systemctl show --property MainPID --value derhead)")
    again = "systemctl show --property NRestarts --property ActiveState derhead | sort | paste -s"
    eventually(
        "systemd restarts it", lambda: typed(again).stdout == "ActiveState=active\tNRestarts=1\n"
    )
    print(typed("journalctl -u derhead -n 40 --no-pager | grep -A3 Watchdog").stdout)


PSQL = "cd / && runuser -u postgres -- psql -AtX -v ON_ERROR_STOP=1"

CLAIMED = """SELECT DISTINCT CASE WHEN client_addr IS NULL THEN 'socket' ELSE 'tcp' END
FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE usename = 'derhead' AND locktype = 'advisory'
"""
"""How the session came in that holds a headend's claim."""


def feeds_postgres() -> None:
    """Lets the installed headend claim a real PostgreSQL, over TCP with the password of its
    credential, and over a Unix socket as the user that it is."""
    clusters = typed("pg_lsclusters --no-header").stdout.split()
    if len(clusters) < 2:
        print("no PostgreSQL of Debian is here: left out")
        return
    version, name = clusters[:2]
    made = typed(
        f"systemctl start postgresql@{version}-{name}\n"
        f"({PSQL}) <<< \"CREATE ROLE derhead LOGIN PASSWORD 'the password'\"\n"
        f"({PSQL}) <<< 'CREATE DATABASE derhead OWNER derhead'\n"
        "printf %s 'the password' | install -m 0600 /dev/stdin "
        "/etc/credstore/derhead.postgres-password"
    )
    assert made.returncode == 0, made.stdout
    for way, dsn in (
        ("tcp", "postgresql://derhead@localhost:5432/derhead"),
        ("socket", "postgresql://derhead@/derhead?host=/run/postgresql"),
    ):
        typed(
            "sed -i '/^postgres:/d' /etc/derhead/derhead.yaml\n"
            f"echo 'postgres: {{dsn: \"{dsn}\"}}' >> /etc/derhead/derhead.yaml\n"
            "systemctl restart derhead"
        )
        eventually(f"the claim by {way}", partial(is_claimed, way))
        print(f"PostgreSQL {version}: the headend holds its claim by {way}", flush=True)


def is_claimed(way: str) -> bool:
    return typed(f'({PSQL} derhead) <<< "{CLAIMED}"').stdout.strip() == way


if __name__ == "__main__":
    for name in sys.argv[1:]:
        follow(Path(name))
    watchdog_bites()
    feeds_postgres()
