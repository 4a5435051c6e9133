"""Child processes: what they say is heard, and none is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.bench.conftest import BENCH
from tests.unit.bench.parts import errors, processes

CORES = os.sched_getaffinity(0)
PATIENCE_S = 10.0


def is_there(pid: int) -> bool:
    """Whether the process runs; one that nobody waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def python(program: str) -> list[str]:
    return [sys.executable, "-S", "-c", program]


def test_a_child_is_heard_pinned_and_ended(tmp_path: Path) -> None:
    core = {min(CORES)}
    program = "import json, os, sys; print(json.dumps({'cores': [*os.sched_getaffinity(0)]}))\n"
    program += "print(json.dumps({'heard': sys.stdin.readline()})); sys.stdin.read()"
    with processes.running("child", python(program), cores=core, logs=tmp_path) as child:
        assert child.hear(PATIENCE_S) == {"cores": [*core]}
        assert child.ask("you", PATIENCE_S) == {"heard": "you\n"}
        assert child.rss_kb() > 1000
        assert child.cpu_s() >= 0
    assert not is_there(child.pid)


def test_an_error_ends_even_a_child_that_ignores_signals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_S", 0.1)
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print({}); time.sleep(60)"
    pids = []

    def interrupted() -> None:
        with processes.running("child", python(program), cores=CORES, logs=tmp_path) as child:
            child.hear(PATIENCE_S)
            pids.append(child.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [is_there(pid) for pid in pids] == [False]


def test_silence_nonsense_and_death_are_told_apart(tmp_path: Path) -> None:
    def hear(program: str, timeout_s: float = PATIENCE_S) -> None:
        with processes.running("child", python(program), cores=CORES, logs=tmp_path) as child:
            child.hear(timeout_s)

    with pytest.raises(errors.Failed, match="child did not answer within 0 s"):
        hear("import time; time.sleep(60)", 0.05)
    with pytest.raises(errors.Failed, match="child said b'hello'"):
        hear("print('hello')")
    with pytest.raises(errors.Failed, match="child exited with 3: the reason"):
        hear("import sys; print('first\\nthe reason', file=sys.stderr); sys.exit(3)")
    with pytest.raises(errors.Failed, match="child was killed by SIGKILL"):
        hear("import os; os.kill(os.getpid(), 9)")


def test_no_child_outlives_a_killed_benchmark(tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.append({str(BENCH)!r})\n"
        "from pathlib import Path; from processes import running\n"
        f"with running('child', ['sleep', '60'], cores={set(CORES)}, logs=Path({str(tmp_path)!r})) "
        "as child:\n"
        "    print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as benchmark:
        assert benchmark.stdout is not None
        pid = int(benchmark.stdout.readline())
        assert is_there(pid)
        benchmark.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while is_there(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
