"""Files with secrets: whether others can read them, and the token that a program sends."""

import re
import stat
from pathlib import Path

OTHERS = 0o077
"""Mode bits that a file with secrets must not have."""

GROUP_READS = 0o040

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def refusal_of_access(path: Path, *, by_root: bool = False) -> str | None:
    """Why the file is refused: others than its owner have access; None = they have none.

    ``by_root``: if root owns the file, its group may read it. systemd passes a secret to a daemon
    of another user in this way. May block.
    """
    try:
        found = path.stat()
    except OSError:
        # Whoever reads the file says why.
        return None
    allowed = GROUP_READS if by_root and found.st_uid == 0 else 0
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & OTHERS & ~allowed:
        return None
    mode = stat.S_IMODE(found.st_mode)
    return f"other users than its owner have access (mode {mode:04o}); run chmod 600 {path}"


def check_token(text: str, source: str) -> str:
    """The token in a text. Raises: OSError, naming the source, if it holds anything else."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise OSError(f"{source} is not one token; write the token there, and nothing else")
    return token


def read_sent_token(path: Path) -> str:
    """The token in that file, which nobody but its owner may read. May block.

    Raises: OSError, naming the file.
    """
    refused = refusal_of_access(path, by_root=True)
    if refused is not None:
        raise OSError(f"{path}: {refused}")
    return check_token(path.read_text(encoding="utf-8", errors="replace"), str(path))
