"""What the commands share: from what went wrong to lines on stderr and an exit code."""

import sys
from collections.abc import Callable, Iterator

from derproto.base.problems import ConfigError

EXIT_FAILED = 1
"""The machine would not: an address in use, a disk that is full."""
EXIT_CONFIG = 2
"""The configuration must be mended."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, groups within it opened; an error alone is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def exit_code_of(
    command: str,
    act: Callable[[], None],
    *,
    config_errors: tuple[type[Exception], ...] = (ConfigError,),
    failures: tuple[type[Exception], ...] = (OSError,),
) -> int:
    """Runs ``act`` and returns the command's exit code; what went wrong goes to stderr.

    A configuration error prints its own lines, a failure one line; errors of other kinds are
    bugs and propagate. ``act`` may raise them alone or, as nurseries do, in groups.
    """
    code = 0
    try:
        act()
    except* config_errors as group:
        code = EXIT_CONFIG
        for error in leaves(group):
            print(error, file=sys.stderr)
    except* failures as group:
        code = code or EXIT_FAILED
        for error in leaves(group):
            print(f"{command}: {error}", file=sys.stderr)
    return code
