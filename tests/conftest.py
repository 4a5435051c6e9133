"""What all tests go by, and fixtures that tests of several folders use."""

from hypothesis import settings

from tests.support.processes.postgres import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

# A machine that is busy with other tests is slow, and that is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
