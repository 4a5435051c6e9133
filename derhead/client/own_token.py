"""The token that a command sends: of a file, of the environment, or of a systemd credential."""

import re
from collections.abc import Mapping
from pathlib import Path

from derproto.configuration.settings import credential

TOKEN_VARIABLE = "DERHEAD_TOKEN"

CREDENTIAL = "token"
"""The credential of a systemd unit (``LoadCredential=token:…``) that asks a headend."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def find_token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token to send; None = there is none.

    Raises: ValueError, naming the source, if what stands there is no token.
    """
    if file is None:
        text = environ.get(TOKEN_VARIABLE)
        if text:
            return _checked(text, f"${TOKEN_VARIABLE}")
        file = credential(environ, CREDENTIAL)
        if file is None:
            return None
    try:
        return _checked(file.read_text(encoding="utf-8", errors="replace"), str(file))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}; correct its mode") from None


def _checked(text: str, source: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"{source} is not one token; write the token there, and nothing else")
    return token
