"""The console's entry, also ``python -m derhead``: holds SIGHUP, then imports the rest."""

import sys

from derproto.system.hangups import hold_hangups, ignore_hangups


def main() -> int:
    """Runs the command ``derhead`` and returns its exit code."""
    hold_hangups()
    from derhead.cli import main as run

    try:
        return run()
    finally:
        ignore_hangups()


if __name__ == "__main__":
    sys.exit(main())
