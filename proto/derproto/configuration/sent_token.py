"""Reads the token that a program sends from its file."""

import re
from pathlib import Path

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def check_token(text: str, source: str) -> str:
    """The token in a text. Raises: OSError, naming the source, if it holds anything else."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise OSError(f"{source} is not one token; write the token there, and nothing else")
    return token


def read_sent_token(path: Path) -> str:
    """The token in that file. May block. Raises: OSError, naming the file."""
    return check_token(path.read_text(encoding="utf-8", errors="replace"), str(path))
