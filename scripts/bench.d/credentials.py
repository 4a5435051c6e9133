"""Certificates for agents and their server, made for one run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from derhead.pki.authority import KeyPair, Validity, make_agent, make_authority, make_server

DAYS = 2


def write_credentials(folder: Path, fleet: Path) -> Path:
    """``ca``, ``server`` and a pair for each agent of a fleet file, as PEM; returns the folder."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    valid = Validity(now - timedelta(hours=1), now + timedelta(days=DAYS))
    authority = make_authority("bench", valid)
    _write(folder / "ca", authority)
    _write(folder / "server", make_server(authority, ["127.0.0.1"], valid))
    for line in fleet.read_text().splitlines():
        agent_id = line.split()[0]
        _write(folder / agent_id, make_agent(authority, agent_id, valid))
    return folder


def _write(path: Path, pair: KeyPair) -> None:
    path.with_name(f"{path.name}.key").write_bytes(pair.key_pem())
    path.with_name(f"{path.name}.pem").write_bytes(pair.certificate_pem())
