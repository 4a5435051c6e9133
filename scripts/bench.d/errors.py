"""The reasons for which a figure is missing."""


class Unavailable(Exception):
    """This machine lacks something, and the text says how to get it. The run does not try again."""


class Failed(Exception):
    """A contestant failed; the text says what the run saw."""
