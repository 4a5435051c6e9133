"""Every command explains itself, and shells complete it."""

import argparse
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import deragent.cli
import derhead.cli
import launcher.cli
from derproto.configuration import command_line

PARSERS = {
    "derhead": derhead.cli._parser,
    "deragent": deragent.cli._parser,
    "derlaunch": launcher.cli._parser,
}


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command below the program, such as ``derhead pki init``."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from commands(command)


ALL = [each for make in PARSERS.values() for each in commands(make())]


@pytest.mark.parametrize("command", ALL, ids=lambda command: str(command.prog))
def test_every_command_has_an_example_and_names_what_it_takes(
    command: argparse.ArgumentParser,
) -> None:
    assert command.description is not None
    *_, example = command.format_help().splitlines()
    assert example.startswith(f"  {command.prog} ") or example == f"  {command.prog}"
    for action in command._actions:
        if action.nargs != 0:
            assert action.metavar is not None, action.option_strings or action.dest
            named = isinstance(action, argparse._SubParsersAction)
            assert named or action.help, action.option_strings or action.dest


@pytest.mark.parametrize("program", PARSERS)
def test_a_program_shows_an_example_that_it_takes(program: str) -> None:
    parser = PARSERS[program]()
    *_, example = parser.format_help().splitlines()
    assert f"{program} COMMAND --help" in parser.format_help()
    assert example.split()[0] == program
    parser.parse_args(example.partition(" > ")[0].split()[1:])


@pytest.mark.parametrize("command", ALL, ids=lambda command: str(command.prog))
def test_only_the_name_of_a_file_or_folder_is_completed_as_one(
    command: argparse.ArgumentParser,
) -> None:
    words = re.compile(r"\b(file|folder|backup)\b", re.IGNORECASE)
    for action in command._actions:
        is_path = action.metavar in (*command_line.FILES, *command_line.FOLDERS)
        assert is_path is (words.search(action.help or "") is not None and action.nargs != 0)


@pytest.mark.parametrize("command", ALL, ids=lambda command: str(command.prog))
def test_every_example_is_a_command_line_that_the_program_takes(
    command: argparse.ArgumentParser,
) -> None:
    *_, example = command.format_help().splitlines()
    program, *words = example.partition(" > ")[0].split()
    # A file that must exist.
    words = [str(Path(__file__)) if word == "ca.pem" else word for word in words]
    PARSERS[program]().parse_args(words)


def test_commands_that_ask_a_headend_name_their_variables() -> None:
    asking = [each for each in ALL if "$DERHEAD_URL" in each.format_help()]
    assert len(asking) == 7
    for command in asking:
        for variable in ("DERHEAD_URL", "DERHEAD_TLS_CA", "DERHEAD_TOKEN"):
            assert f"  {variable} " in command.format_help()


@pytest.mark.parametrize("program", PARSERS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_completion_is_printed_for_each_shell(
    program: str, shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        PARSERS[program]().parse_args(["--print-completion", shell])
    assert done.value.code == 0
    script = capsys.readouterr().out
    assert program in script
    if shutil.which(shell) and shell != "tcsh":
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=10)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("derhead", "wi"), ["withdraw"]),
        (("derhead", "dispatch", "--wa"), ["--watch"]),
        (("derhead", "pki", "in"), ["init"]),
        (("deragent", "ru"), ["run"]),
        (("derlaunch", "ge"), ["generate"]),
    ],
)
def test_bash_completes_commands_and_flags(
    typed: tuple[str, ...], offered: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        PARSERS[typed[0]]().parse_args(["--print-completion", "bash"])
    script = capsys.readouterr().out
    script += f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}\n"
    script += f'_shtab_{typed[0]}; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    done = subprocess.run(
        ["bash", "--norc"], input=script, text=True, capture_output=True, timeout=10, check=True
    )
    assert done.stdout.split() == offered, done.stderr
