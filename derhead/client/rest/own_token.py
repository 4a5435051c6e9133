"""The token that a command sends: from a file, the environment or a systemd credential."""

from collections.abc import Mapping
from pathlib import Path

from derproto.configuration.secret_files import check_token, read_sent_token
from derproto.configuration.settings import credential

TOKEN_VARIABLE = "DERHEAD_TOKEN"

CREDENTIAL = "token"
"""The credential of a systemd unit (``LoadCredential=token:…``) that asks a headend."""


def find_token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token to send; None = there is none.

    Raises: OSError, naming the source, if what stands there is no token.
    """
    if file is not None:
        return read_sent_token(file)
    text = environ.get(TOKEN_VARIABLE)
    if text:
        return check_token(text, f"${TOKEN_VARIABLE}")
    given = credential(environ, CREDENTIAL)
    return None if given is None else read_sent_token(given)
