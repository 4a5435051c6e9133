"""Who a headend is to the others of its database, and whether another one's process is gone.

Synchronous; reads ``/proc``.
"""

import json
import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from derhead.history.file import facts


@dataclass(frozen=True, slots=True)
class Claimant:
    """This headend."""

    id: str
    """Chosen once for each journal. A copy of a data folder counts as the same headend."""
    name: str
    """For people: host, process and folder."""
    process: str
    """JSON: the boot of the machine, the space of process ids, the id, and when it started."""
    term: int = 0
    """The journal knows what headends of earlier claims did, and of this one."""


def read_claimant(con: sqlite3.Connection, folder: Path) -> Claimant:
    """This process with the journal in that folder. The first call chooses the journal's id."""
    with con:
        con.execute("BEGIN IMMEDIATE")
        found = facts.get(con, facts.CLAIMANT)
        if found is None:
            found = str(uuid4())
            facts.put(con, facts.CLAIMANT, found)
    name = f"{socket.gethostname()}, process {os.getpid()}, data folder {folder.absolute()}"
    term = facts.get_int(con, facts.CLAIM_TERM) or 0
    return Claimant(found, name, describe_process(os.getpid()), term)


def describe_process(pid: int) -> str:
    """The identity of a process of this machine, which no other process ever has."""
    return json.dumps([_boot(), _pid_space(), pid, _started(pid)])


def is_process_gone(process: str) -> bool:
    """Whether that process is certainly gone: it ran in this boot of this machine, where this
    process would see it, and is not there."""
    try:
        boot, space, pid, started = json.loads(process)
    except ValueError:
        return False
    if not boot or (boot, space) != (_boot(), _pid_space()):
        return False
    return isinstance(pid, int) and _started(pid) != started


def _boot() -> str:
    return _read(Path("/proc/sys/kernel/random/boot_id")).strip()


def _pid_space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process started, in ticks since the boot; "" = there is no such process."""
    # The second field, the command's name in parentheses, may hold anything.
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    # Z: it has ended, and its parent has not asked how.
    return "" if len(fields) < 20 or fields[0] == "Z" else fields[19]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
