"""The gate of a daemon: its tokens are loaded at the start, and again when their file changes."""

from functools import partial
from pathlib import Path

from derhead.access.access_gate import AccessGate
from derhead.access.issuer_terms import IssuerTerms, KeyKeeping, KeySource
from derhead.access.token_file import read_token_file
from derproto.base.runtime import Runtime
from derproto.configuration.changes import Changes
from derproto.system.reloading import Reload, Reloads


async def open_gate(path: Path | None, runtime: Runtime, reloads: Reloads | None) -> AccessGate:
    """A gate with the tokens of that file; without a file, an open gate.

    From now on the gate follows the file with ``reloads``. Raises: ConfigError.
    """
    if path is None:
        return AccessGate()
    read = partial(read_token_file, path)
    gate = AccessGate()

    async def load() -> Changes:
        return gate.replace(await runtime.run_blocking(read))

    if reloads is not None:
        await reloads.add(Reload("tokens", load, (path,)))
    await load()
    return gate


def keep_issuer(
    gate: AccessGate, terms: IssuerTerms, source: KeySource, runtime: Runtime
) -> KeyKeeping:
    """Makes the gate take the issuer's JWTs. The result keeps the issuer's keys."""
    # Imported late: most headends have no issuer.
    from derhead.access.issuer_loading import IssuerKeeper

    return IssuerKeeper(gate, terms, source, runtime)
