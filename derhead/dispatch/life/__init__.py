"""The life of one dispatch: its states, its transitions, and what the contract says of them. Pure.

From the ground up: ``transitions`` (states, and the table of all moves) · ``lifecycle`` (the
dispatch, and what an event makes of it) · ``contract`` (the messages).
"""
