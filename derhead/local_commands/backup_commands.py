"""``derhead backup`` and ``derhead restore``: the journal to a file and back.

Both work on the journal's file, as an operator on the headend's machine may. The headend may run
during a backup, and must not during a restore.
"""

import os
from argparse import Namespace, _SubParsersAction
from pathlib import Path
from typing import Any

from derhead.config import load_settings
from derproto.base.runtime import real_runtime
from derproto.configuration.command_line import add_command
from derproto.configuration.settings import settings_note
from derproto.stdio.command import put_out


def add_backup_commands(commands: "_SubParsersAction[Any]") -> None:
    """Adds the commands to ``derhead``'s."""
    for name, does, file in (
        ("backup", "copy the journal of a running headend into a file", "the new file"),
        ("restore", "put a backup in the journal's place, while no headend runs", "the backup"),
    ):
        example = f"derhead {name} /backup/journal.db --config /etc/derhead/derhead.yaml"
        command = add_command(commands, name, does, example, note=settings_note("DERHEAD", "data"))
        command.add_argument("file", metavar="FILE", help=file)
        command.add_argument("--config", metavar="F", help="YAML file of settings")
        command.add_argument("--data", metavar="DIR", help="folder of the journal")


def run_backup(flags: Namespace) -> None:
    """Raises: ConfigError, JournalError, OSError; then there is no new file."""
    # Imported late: the other commands do not need it.
    from derhead.history import back_up

    journal = load_settings(flags, os.environ).data / "journal.db"
    file = Path(flags.file)
    back_up(journal, file)
    put_out(f"{file}: a backup of {journal}, {file.stat().st_size / 1e6:.1f} MB, checked\n")


def run_restore(flags: Namespace) -> None:
    """Raises: ConfigError, JournalError, OSError; then the journal is as it was."""
    from derhead.history import put_back

    journal = load_settings(flags, os.environ).data / "journal.db"
    kept = put_back(journal, Path(flags.file), real_runtime().wall_us())
    put_out(f"{journal}: restored from {flags.file}\n")
    if kept is not None:
        put_out(f"{kept}: the journal before it; delete it once you need nothing of it\n")
