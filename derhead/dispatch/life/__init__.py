"""The life of one dispatch: its states, its transitions, and what the contract says of them. Pure.

From the ground up: ``transitions`` (states, and the table of all moves) · ``dispatches`` (the
dispatch as a value) · ``lifecycle`` (what an event makes of it) and ``contract`` (the messages).
"""
