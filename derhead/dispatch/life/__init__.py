"""The life of one dispatch: its states, its transitions, and its messages. Pure.

From the ground up: ``transitions`` (states, and the table of all moves) · ``dispatches`` (the
dispatch as a value) · ``lifecycle`` (how events change it) and ``contract`` (the messages).
"""
