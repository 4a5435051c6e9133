"""What the journal's opening is at, written by its thread and read by the task that tells."""


class Activity:
    """One line, replaced as the work goes on. Both sides may use it at any time."""

    def __init__(self) -> None:
        self.doing = ""
        """For people; empty = nothing that takes long."""
