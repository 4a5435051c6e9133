"""Tests that send signals hold in whatever way the tests were started."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes.ignored_signals import heed_in_children

LOOK = "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"


@pytest.fixture
def ignored() -> Iterator[None]:
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, kept)


def ignores_interrupts() -> str:
    return subprocess.check_output([sys.executable, "-c", LOOK], text=True).strip()


def test_a_child_heeds_interrupts_that_the_tests_ignore(ignored: None) -> None:
    assert ignores_interrupts() == "True"
    heed_in_children(signal.SIGINT)
    assert ignores_interrupts() == "False"
    signal.raise_signal(signal.SIGINT)
