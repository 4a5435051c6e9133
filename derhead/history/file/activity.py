"""The current work of opening the journal: a thread writes it down, a task reports it."""


class Activity:
    """One line of text, replaced as the work goes on. Both threads may use it at any time."""

    def __init__(self) -> None:
        self.doing = ""
        """For people; empty = nothing that takes long."""
