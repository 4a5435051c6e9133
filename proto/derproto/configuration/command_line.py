"""Command lines: commands whose help ends with an example, and completion for shells.

shtab writes the completion: it reads the parser itself, so that no list of flags is kept twice.
"""

import argparse
from collections.abc import Mapping
from typing import Any

COMPLETION = "--print-completion"

SHELLS = ("bash", "zsh", "tcsh")

FILES, FOLDERS = ("F", "FILE"), ("DIR",)
"""Metavars in whose place a shell completes files, and folders."""


def make_parser(
    program: str, description: str, version: str, example: str
) -> argparse.ArgumentParser:
    """The parser of a program; its commands come next."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=f"{program} COMMAND --help explains a command.\n\nexample:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{program} {version}")
    return parser


def add_command(
    commands: "argparse._SubParsersAction[Any]",
    name: str,
    does: str,
    example: str,
    *,
    note: str = "",
    variables: Mapping[str, str] | None = None,
) -> argparse.ArgumentParser:
    """Adds a command. Its help ends with the variables that it reads, and an example."""
    parts = [note] if note else []
    if variables:
        width = max(map(len, variables))
        lines = (f"  {each:<{width}}  {meaning}" for each, meaning in variables.items())
        parts.append("\n".join(("variables:", *lines)))
    parts.append(f"example:\n  {example}")
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=does,
        description=does,
        epilog="\n\n".join(parts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return command


def offer_completion(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that prints a completion of the parser, with all its commands."""
    parser.add_argument(
        COMPLETION,
        action=_PrintCompletion,
        metavar="SHELL",
        choices=SHELLS,
        help=f"print a script that completes this command in {', '.join(SHELLS)}, and exit",
    )


class _PrintCompletion(argparse.Action):
    """Prints the completion at once, whatever else the command line lacks."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        # Imported late: it would double the time that a short command takes.
        import shtab

        _complete_paths(parser, shtab.FILE, shtab.DIRECTORY)
        print(shtab.complete(parser, shell=values))
        parser.exit()


def _complete_paths(parser: argparse.ArgumentParser, file: object, folder: object) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command, file, folder)
        elif action.metavar in (*FILES, *FOLDERS):
            path = file if action.metavar in FILES else folder
            action.complete = path  # type: ignore[attr-defined]
