"""Errors that cross the borders between the headend's domains: pure."""


class JournalError(Exception):
    """The journal could not store a record: nothing of it has happened."""


class PkiRefused(Exception):
    """``derhead pki`` would lose a file, or cannot do without one; the text says what to do."""


class TokenRefused(Exception):
    """``derhead token`` cannot do that with the tokens that there are; the text says what to do."""


class ClaimError(Exception):
    """Another headend holds the database of this one."""
