"""Errors of the commands as lines on stderr and an exit code."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from derproto.configuration.problems import ConfigError
from derproto.stdio.logs import drain_logs

EXIT_FAILED = 1
"""The machine refused: an address in use, a full disk."""
EXIT_CONFIG = 2
"""The configuration must be mended."""
EXIT_PIPE = 141
"""Whoever read the output, such as ``head``, has closed the pipe: 128 + SIGPIPE, as of any tool."""


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


def end_quietly(run: Callable[[], int]) -> int:
    """Runs a program, and returns its exit code: ``EXIT_PIPE`` if nobody reads its output any more.

    Raises: SystemExit as ``run`` does, such as after ``--help``.
    """
    # A process started without standard output gives its descriptor to the next file that it opens.
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    ended: SystemExit | None = None
    code = 0
    try:
        try:
            code = run()
        except SystemExit as error:
            ended = error
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        drop_output()
        return EXIT_PIPE
    if ended is not None:
        raise ended
    return code


def put_out(text: str) -> None:
    """Writes text on standard output.

    Raises: SystemExit with ``EXIT_PIPE`` if its reader has closed the pipe.
    """
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        drop_output()
        raise SystemExit(EXIT_PIPE) from None


def drop_output() -> None:
    """Discards what is written to pipes that their reader, such as ``head``, has closed.

    Otherwise Python complains once more when the process ends.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            with _nowhere() as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _tell(lines: Iterable[str]) -> None:
    # A blocked stderr would hold up the end of the process.
    if drain_logs():
        for line in lines:
            print(line, file=sys.stderr)
