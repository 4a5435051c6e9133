"""Asks at the terminal for the duration that an order lacks."""

import sys
from argparse import ArgumentTypeError

from derhead.client.options import EVER, parse_length
from derhead.client.printing import tell

QUESTION = f"For how long? 90s, 15m, 1h30m, or {EVER} (until it is replaced): "

TRIES = 3
"""Times that a question is asked. When over, the command ends with exit code 2."""


class Unanswered(Exception):
    """There is no terminal to ask at, or no usable answer."""


def ask_length() -> float:
    """How long an order holds, seconds; infinite = until it is replaced.

    Raises: Unanswered, with what to write instead.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise Unanswered(
            "say how long the order holds: --for 15m, or --for ever (until it is replaced)"
        )
    for _ in range(TRIES):
        # Standard output is for results.
        print(QUESTION, end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            break
        try:
            return parse_length(answer.strip())
        except ArgumentTypeError as wrong:
            tell(str(wrong))
    raise Unanswered("nothing was ordered")
