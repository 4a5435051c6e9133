"""The commands that work on the headend's own files: its tokens, and backups of its journal.

``token_commands`` and ``backup_commands`` stand beside each other.
"""

from derhead.local_commands.backup_commands import add_backup_commands as add_backup_commands
from derhead.local_commands.backup_commands import run_backup as run_backup
from derhead.local_commands.backup_commands import run_restore as run_restore
from derhead.local_commands.token_commands import add_token_command as add_token_command
from derhead.local_commands.token_commands import run_token as run_token
