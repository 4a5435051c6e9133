"""The machine under the figures, and the task of each core."""

import os
import platform
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """The cores of server and load. On a single core both share it, and figures mean little."""

    server: frozenset[int]
    generator: frozenset[int]

    @property
    def both(self) -> frozenset[int]:
        return self.server | self.generator


def pick_cores() -> Cores:
    """One core for the server and one for the generator, of those this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(server=frozenset(usable[:1]), generator=frozenset(usable[-1:]))


def busy_s(cores: Collection[int]) -> float:
    """The CPU time that programs have used on these cores since the machine started, seconds."""
    total = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, _, counts = line.partition(" ")
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system = map(int, counts.split()[:3])
            total += user + nice + system
    return total / os.sysconf("SC_CLK_TCK")


def describe_machine() -> list[str]:
    """Describes hardware, system and the versions that matter, in lines for people."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(
        f"{name} {_version(name)}" for name in ("trio", "grpclib", "h2", "betterproto2", "grpcio")
    )
    return [
        f"{_processor()}, {cores} cores, {memory:.0f} GiB",
        f"{platform.system()} {platform.release()}, {platform.python_implementation()} "
        f"{platform.python_version()}",
        versions,
        *filter(None, (_first_line("mosquitto", "-h"), _first_line("go", "version"))),
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"


def _first_line(*command: str) -> str | None:
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return output.splitlines()[0] if output else None
