"""The folder of an authority: names its files, sets their modes, and overwrites none by mistake.

ca.pem, ca.key            the authority
server.pem, server.key    the headend
agents/NAME.pem, .key     each agent
"""

import os
from pathlib import Path

from derhead.errors import PkiRefused
from derhead.pki.authority import KeyPair
from derproto.base.private_files import private_file

FOLDER_MODE = 0o700


class PkiFolder:
    """Reads and writes the pairs of one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def authority(self) -> KeyPair:
        """Raises: PkiRefused."""
        return self.read("ca", "make the authority with derhead pki init")

    def read(self, name: str, advice: str) -> KeyPair:
        """A pair of the folder. Raises: PkiRefused, with the advice if a file is missing."""
        certificate, key = self.files(name)
        try:
            return KeyPair.from_pem(certificate.read_bytes(), key.read_bytes())
        except FileNotFoundError as error:
            raise PkiRefused(f"there is no {error.filename}; {advice}") from None
        except (ValueError, TypeError) as error:
            raise PkiRefused(f"{certificate} and {key} cannot be used: {error}") from error

    def files(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate and of its key."""
        return self.path / f"{name}.pem", self.path / f"{name}.key"

    def write(self, name: str, pair: KeyPair, *, replace: bool = False) -> None:
        """Writes a pair, readable by its owner only. Each file appears whole.

        Raises: PkiRefused if a file is there already, unless ``replace``; OSError.
        """
        certificate, key = self.files(name)
        if not replace:
            for path in (certificate, key):
                if path.exists():
                    raise PkiRefused(self._is_there(path))
        for folder in (self.path, certificate.parent):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for path, text in ((key, pair.key_pem()), (certificate, pair.certificate_pem())):
            self._write_file(path, text, replace)

    def _write_file(self, path: Path, text: bytes, replace: bool) -> None:
        # Unlike a rename, a link never replaces what another command has just written.
        try:
            with private_file(path, os.replace if replace else os.link) as file:
                file.write(text)
        except FileExistsError:
            raise PkiRefused(self._is_there(path)) from None

    def _is_there(self, path: Path) -> str:
        advice = "give another --dir" if path.stem == "ca" else "give --renew to replace it"
        return f"{path} is there already and stays as it is; {advice}"
