"""Why a figure is missing."""


class Unavailable(Exception):
    """Something this machine lacks, and the text says how to get it. Not tried again."""


class Failed(Exception):
    """It was there and did not do it; the text says what was seen."""
