"""A Python program that dies in the middle of its work."""

import signal
import subprocess
import sys
from pathlib import Path


def lines_before_kill(program: str, argument: Path, count: int) -> list[str]:
    """What the program printed until SIGKILL, which comes at its ``count``-th line, whole lines.

    The program says ``flush=True``, and takes ``argument`` as ``sys.argv[1]``.
    """
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", program, str(argument)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if len(lines) == count:
                process.kill()
    assert process.returncode == -signal.SIGKILL
    # The kill may have cut the last line.
    return [line for line in lines if line.endswith("\n")]
