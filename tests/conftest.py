"""What all tests go by, and fixtures that tests of several folders use."""

import gc
import signal

import pytest
from hypothesis import settings

from derproto.stdio.log_lines import EventFormatter
from tests.support.processes.ignored_signals import heed_in_children
from tests.support.processes.postgres import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

# A machine that is busy with other tests is slow, and that is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


# A shell that starts the tests in the background makes them ignore SIGINT, nohup SIGHUP.
heed_in_children(signal.SIGINT, signal.SIGHUP)


def pytest_collection_finish() -> None:
    """Leaves the collected tests out of every later garbage collection: they live to the end.

    A full collection of thousands of tests takes more than half a second, and many tests ask for
    one.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """pytest's fixture; its ``text`` has lines as a daemon writes them, with their keys."""
    caplog.handler.setFormatter(EventFormatter("logfmt"))
    return caplog
