"""The commands that work on the headend's own files: its tokens, and backups of its journal.

``token_commands`` and ``backup_commands`` stand beside each other.
"""

from derhead.local_commands.backup_commands import add_backup_commands, run_backup, run_restore
from derhead.local_commands.token_commands import add_token_command, run_token
