"""Support for tests of REST and ``/events``: a fake headend, and the checks of the description."""
