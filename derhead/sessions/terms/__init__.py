"""The terms of a session: its limits, what the journal keeps of it, why it ends."""
