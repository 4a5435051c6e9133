"""The terms of a session: its limits, its record in the journal, its reasons to end."""
