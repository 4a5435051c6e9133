"""The keys of an OIDC issuer, from a file or from a URL, and their refresh.

No request waits for the keys: a task fetches them, and the gate judges by those that it has.
"""

from contextlib import aclosing
from functools import partial

import httpx2
import trio

from derhead.access.access_gate import AccessGate
from derhead.access.issuer_terms import IssuerTerms, KeySource
from derhead.access.jwt_judge import (
    KEYS_AGE_S,
    BadKeys,
    IssuerKeys,
    JwtJudge,
    read_keys,
)
from derproto.base.runtime import Runtime
from derproto.configuration.problems import ConfigError, Problem
from derproto.stdio.log_events import event_log
from derproto.system.reloading import Reload, Reloads
from derproto.tls.contexts import client_context

log = event_log(__name__)

REFRESH_S = 900.0
"""Seconds between two fetches from a URL."""

RETRY_S = 60.0
"""Least seconds between two fetches, after a failure or when a JWT names an unknown key."""

FETCH_S = 10.0

UNPACKED = {"Accept-Encoding": "identity"}

KEYS_BYTES = 256 * 1024
"""Bytes of an issuer's keys. When full, the new keys are not taken, and the former keys stay."""


class IssuerKeeper:
    """Gives the gate the issuer's keys, and keeps them fresh."""

    def __init__(
        self, gate: AccessGate, terms: IssuerTerms, source: KeySource, runtime: Runtime
    ) -> None:
        self._gate = gate
        self._terms = terms
        self._source = source
        self._runtime = runtime
        self._text = b""
        self._wanted = trio.Event()
        self._told: str | None = None
        gate.replace_issuer(JwtJudge(terms, None))

    async def begin(self, reloads: Reloads | None) -> None:
        """Reads the keys of a file; ``run`` fetches those of a URL. Raises: ConfigError."""
        paths = () if self._source.file is None else (self._source.file,)
        if reloads is not None:
            await reloads.add(Reload("issuer keys", self.load, paths))
        if paths:
            await self.load()

    async def load(self) -> str | None:
        """Gets the keys and puts them in force; returns their ids if the keys have changed.

        Raises: ConfigError; then the former keys stay in force.
        """
        try:
            text = await self._read()
            found = await self._runtime.run_blocking(partial(read_keys, text))
        except (OSError, BadKeys, httpx2.HTTPError, httpx2.InvalidURL, trio.TooSlowError) as wrong:
            said = f"{self._source}: {_why(wrong)}"
            raise ConfigError([Problem(None, None, "oidc", said)]) from None
        now_us = self._runtime.wall_us()
        good_until_us = None if self._source.url is None else now_us + KEYS_AGE_S * 1_000_000
        judge = JwtJudge(self._terms, IssuerKeys(found.keys, good_until_us), self._wanted_now)
        self._gate.replace_issuer(judge)
        if text == self._text:
            return None
        self._text = text
        if found.unusable:
            log.warning("keys of the issuer left out", source=self._source, keys=found.unusable)
        return ", ".join(str(key.kid) for key in found.keys.keys)

    async def run(self) -> None:
        """Fetches the keys of a URL again and again. Runs until cancelled."""
        while self._source.url is not None:
            wait_s = REFRESH_S
            try:
                changed = await self.load()
                self._told = None
                if changed is not None:
                    log.info("keys of the issuer loaded", source=self._source, changed=changed)
            except ConfigError as wrong:
                wait_s = RETRY_S
                if self._told != str(wrong):
                    log.error("keys of the issuer not loaded: former stay a day", reason=wrong)
                self._told = str(wrong)
            self._wanted = trio.Event()
            await trio.sleep(RETRY_S)
            with trio.move_on_after(wait_s - RETRY_S):
                await self._wanted.wait()

    def _wanted_now(self) -> None:
        self._wanted.set()

    async def _read(self) -> bytes:
        if self._source.file is not None:
            return await self._runtime.run_blocking(self._source.file.read_bytes)
        assert self._source.url is not None
        verify = await self._runtime.run_blocking(partial(client_context, self._source.ca))
        with trio.fail_after(FETCH_S):
            async with (
                httpx2.AsyncClient(verify=verify, trust_env=False, timeout=FETCH_S) as client,
                # Compressed, a few bytes could exceed the bound before anybody counts them.
                client.stream("GET", self._source.url, headers=UNPACKED) as answer,
            ):
                if answer.status_code != 200:
                    raise BadKeys(f"it answers {answer.status_code}")
                text = bytearray()
                async with aclosing(answer.aiter_raw()) as pieces:
                    async for piece in pieces:
                        text += piece
                        if len(text) > KEYS_BYTES:
                            raise BadKeys(f"it is longer than {KEYS_BYTES} bytes")
                return bytes(text)


def _why(wrong: BaseException) -> str:
    """The text of an error, or else of its cause: a failed handshake has no text of its own."""
    cause: BaseException | None = wrong
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return type(wrong).__name__ if cause is None else str(cause)
