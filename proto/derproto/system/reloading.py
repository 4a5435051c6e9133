"""Reloading a daemon's files while it runs: when one changes, and all of them at SIGHUP.

A reload is whole or not at all. If it fails, the former files stay in force, a log line says why,
and the reload is tried again later.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from derproto.base.runtime import Runtime
from derproto.configuration.changes import ChangedItem, Changes
from derproto.configuration.problems import ConfigError
from derproto.stdio.log_events import event_log
from derproto.system.file_watch import FileStamps, read_stamps, watch_files
from derproto.system.hangups import HeldHangups, has_terminal
from derproto.system.systemd import NOBODY, Notifier

log = event_log(__name__)

RETRY_S = 60.0
"""Seconds after which failed reloads are tried again. The same files may be good by then: a
certificate that was not valid yet, or one on a file system that was away."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Something that a daemon can read anew while it runs."""

    what: str
    """Its name in log lines, such as ``certificates``."""
    load: Callable[[], Awaitable[Changes | str | None]]
    """Reads the files and puts them in force; returns what changed, if it can tell.
    Raises: ConfigError or OSError if a file is bad; then everything is as before."""
    paths: tuple[Path, ...] = ()
    """The files whose change starts the reload."""


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The outcome of a reload."""

    what: str
    """The name of the ``Reload``."""
    changed: str | None = None
    """What changed, in words; None = the reload failed, or does not say."""
    failure: str | None = None
    """Why it failed; None = it succeeded."""
    items: tuple[ChangedItem, ...] = ()
    """The things that changed, one by one, if the reload lists them."""


class Reloads:
    """Runs a daemon's reloads, one at a time; ``notifier`` tells systemd of those at SIGHUP."""

    def __init__(self, runtime: Runtime, notifier: Notifier = NOBODY) -> None:
        self._runtime = runtime
        self._notifier = notifier
        self._all: list[Reload] = []
        self._known: dict[str, FileStamps] = {}
        self._watching: trio.Nursery | None = None
        self._one = trio.Lock()
        self.failures: dict[str, str] = {}
        """Why a reload failed, by ``what``, until the reload succeeds."""
        self.on_outcome: Callable[[ReloadOutcome], None] = lambda outcome: None
        """Called after each reload, but only once for a failure that repeats."""

    async def add(self, reload: Reload) -> None:
        """Adds a reload after the present ones. Add it before its files are first read: no later
        change of the files is missed."""
        paths = reload.paths
        self._known[reload.what] = await self._runtime.run_blocking(lambda: read_stamps(paths))
        self._all.append(reload)
        self._watch(reload)

    async def run(self) -> None:
        """Watches the files, and tries failed reloads again. Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            self._watching = nursery
            for reload in self._all:
                self._watch(reload)
            nursery.start_soon(self._retry)

    async def reload_all(self) -> None:
        """Reloads everything, in the order in which it was added."""
        with self._notifier.reload():
            for reload in tuple(self._all):
                await self._reload(reload)

    def _watch(self, reload: Reload) -> None:
        if self._watching is not None and reload.paths:
            act = partial(self._reload, reload)
            known = self._known[reload.what]
            watch = partial(watch_files, reload.paths, act, self._runtime, known=known)
            self._watching.start_soon(watch)

    async def _retry(self) -> None:
        while True:
            await trio.sleep(RETRY_S)
            for reload in tuple(self._all):
                if reload.what in self.failures:
                    await self._reload(reload)

    async def _reload(self, reload: Reload) -> None:
        async with self._one:
            try:
                changed = await reload.load()
            except (ConfigError, OSError) as error:
                self._note_failure(reload, str(error))
            except Exception as error:  # noqa: BLE001 - the border: no file ends the daemon
                self._note_failure(reload, repr(error), bug=error)
            else:
                self.failures.pop(reload.what, None)
                if not isinstance(changed, Changes):
                    changed = Changes(changed or "")
                log.info("reloaded", what=reload.what, changed=changed.words or None)
                self.on_outcome(
                    ReloadOutcome(reload.what, changed.words or None, items=changed.items)
                )

    def _note_failure(
        self, reload: Reload, reason: str, *, bug: BaseException | None = None
    ) -> None:
        """Logs a failure, each reason once; a bug with its traceback."""
        reason = "; ".join(reason.splitlines())
        if self.failures.get(reload.what) != reason:
            log.error("not reloaded", what=reload.what, reason=reason, exc_info=bug)
            self.on_outcome(ReloadOutcome(reload.what, failure=reason))
        self.failures[reload.what] = reason


async def watch_hangups(
    hung_up: Callable[[], Awaitable[object]],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Awaits ``hung_up`` at each SIGHUP, also for one that was held. Runs until cancelled.

    SIGHUP also says that the daemon's terminal is gone. Then the process gets SIGTERM, because
    nobody could end the daemon with Ctrl-C any more. ``nohup`` prevents that.
    """
    held = signal.getsignal(signal.SIGHUP)
    if isinstance(held, HeldHangups):
        ends_with_terminal = not held.was_ignored and held.had_terminal
    else:
        ends_with_terminal = held is not signal.SIG_IGN and has_terminal()
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        if isinstance(held, HeldHangups) and held.came:
            os.kill(os.getpid(), signal.SIGHUP)
        task_status.started()
        async for _ in signals:
            if ends_with_terminal and not has_terminal():
                log.info("terminal gone", signal="SIGHUP")
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                log.info("reloading", signal="SIGHUP")
                await hung_up()
