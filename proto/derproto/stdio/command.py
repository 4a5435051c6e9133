"""Errors of the commands as lines on stderr and an exit code."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator

from derproto.configuration.problems import ConfigError
from derproto.stdio.logs import drain_logs

EXIT_FAILED = 1
"""The machine refused: an address in use, a full disk."""
EXIT_CONFIG = 2
"""The configuration must be mended."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group and in groups within it; an error alone is its own leaf."""
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
    """Runs ``act`` and returns the command's exit code; errors go to stderr.

    A configuration error prints its lines, a failure one line. Other exceptions are bugs and
    propagate. ``act`` may raise exceptions alone or in groups, as nurseries do.
    """
    code = 0
    try:
        act()
    except* config_errors as group:
        code = EXIT_CONFIG
        _tell(str(error) for error in leaves(group))
    except* failures as group:
        code = code or EXIT_FAILED
        _tell(f"{command}: {error}" for error in leaves(group))
    return code


def put_out(text: str) -> None:
    """Writes text on standard output. If the reader has closed the pipe, the text is dropped."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        drop_output()


def drop_output() -> None:
    """Discards standard output, whose reader, such as ``head``, has closed the pipe.

    Otherwise Python complains once more when the process ends.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(lines: Iterable[str]) -> None:
    # A blocked stderr would hold up the end of the process.
    if drain_logs():
        for line in lines:
            print(line, file=sys.stderr)
