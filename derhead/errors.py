"""Errors that cross the borders between the headend's domains: pure."""


class JournalError(Exception):
    """The journal could not store a record: nothing of it has happened."""
