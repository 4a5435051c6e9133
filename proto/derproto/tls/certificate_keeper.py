"""The certificates of a daemon: loaded at its start, then reloaded all together."""

import logging
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from derproto.base.runtime import Runtime
from derproto.configuration.problems import ConfigError, Problem
from derproto.stdio.log_events import event_log
from derproto.system.reloading import Reload, Reloads
from derproto.tls.certificate_findings import CertificateFinding, CertificateGrade, ends_of
from derproto.tls.credentials import LoadedCertificates, load_certificates
from derproto.tls.tls_files import TlsFiles, TlsRole
from derproto.tls.tls_listener import TlsListener

log = event_log(__name__)

REMIND_S = 86_400.0
"""Seconds between two log lines about the same certificate."""


class CertificateKeeper:
    """Holds the context of each end, and replaces them all or none.

    A new connection takes the context in force. Connections that are open stay as they are.
    """

    def __init__(self, ends: Sequence[TlsFiles], runtime: Runtime) -> None:
        self._ends = tuple(ends)
        self._runtime = runtime
        self._loaded: dict[TlsRole, LoadedCertificates] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, each once."""
        return tuple(dict.fromkeys(path for files in self._ends for path in files.paths()))

    def context(self, role: TlsRole) -> ssl.SSLContext | None:
        """The context in force, for one connection only: ask again for the next. None = no TLS."""
        return self._loaded[role].context if role in self._loaded else None

    def hosts(self, role: TlsRole) -> tuple[str, ...]:
        """The host names and addresses in the certificate in force of that end."""
        own = self._loaded[role].held.own if role in self._loaded else ()
        return own[0].hosts if own else ()

    def findings(self) -> list[CertificateFinding]:
        """What is wrong now with the certificates in force, the worst first."""
        now_us = self._runtime.wall_us()
        found = (each for end in self._loaded.values() for each in end.findings(now_us))
        return sorted(dict.fromkeys(found), key=lambda each: -each.grade)

    def seconds_left(self) -> dict[str, float]:
        """Seconds until each file's first certificate ends, by setting; negative afterwards."""
        now_us = self._runtime.wall_us()
        return {
            each.setting: (each.ends_us - now_us) / 1e6
            for end in self._loaded.values()
            for each in ends_of(end.held, now_us)
        }

    def over_tls(
        self, role: TlsRole, transports: Sequence[trio.abc.Listener[trio.abc.Stream]]
    ) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """The listeners of that end: over TLS if the end has certificates, else unchanged."""
        if role not in self._loaded:
            return transports
        return [TlsListener(each, lambda: self._loaded[role].context) for each in transports]

    async def load(self, reloads: Reloads) -> None:
        """Loads all files at the daemon's start, and from then on with ``reloads``.

        It takes even files that peers refuse. A site may start with a wrong clock, or long after
        its certificate has expired, and has to keep measuring. Raises: ConfigError.
        """
        if self._ends:
            await reloads.add(Reload("certificates", self.reload, self.paths))
        self._loaded = await self._read()

    async def reload(self) -> None:
        """Loads all files anew, and puts them in force.

        Raises: ConfigError if a file cannot be loaded or peers would refuse it; then the former
        files stay in force.
        """
        loaded = await self._read()
        now_us = self._runtime.wall_us()
        refused = [
            Problem(None, None, each.setting, each.text)
            for end in loaded.values()
            for each in end.findings(now_us)
            if each.grade > CertificateGrade.SOON
        ]
        if refused:
            raise ConfigError(dict.fromkeys(refused))
        self._loaded = loaded

    async def remind(self) -> None:
        """Logs what is wrong, once a day. Runs until cancelled."""
        while True:
            for each in self.findings():
                level = logging.ERROR if each.grade > CertificateGrade.SOON else logging.WARNING
                keys = {"setting": each.setting, "reason": each.text}
                log.log(level, "certificate needs attention", **keys)
            await trio.sleep(REMIND_S)

    async def _read(self) -> dict[TlsRole, LoadedCertificates]:
        loaded = {}
        for files in self._ends:
            loaded[files.role] = await self._runtime.run_blocking(partial(load_certificates, files))
        return loaded
