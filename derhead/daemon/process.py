"""The process around the headend: signals, sockets, TLS, reminders and systemd's watchdog."""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

import trio

from derhead.config import HeadendConfig
from derhead.daemon.composition import Listeners, run_headend
from derhead.daemon.exposure_reminder import remind_of_exposures
from derhead.daemon.fleet_keeper import FleetKeeper
from derproto import __version__
from derproto.base.runtime import real_runtime
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import Address
from derproto.metrics.process_watch import ProcessWatch
from derproto.stdio.log_events import event_log
from derproto.stdio.log_lines import Names, name_ids
from derproto.stdio.logs import LevelReload
from derproto.system.abort_stack import show_stack_at_abort
from derproto.system.reloading import Reload, Reloads, watch_hangups
from derproto.system.stopping import watch_signals
from derproto.system.systemd import Notifier, feed_watchdog
from derproto.tls.certificate_keeper import CertificateKeeper
from derproto.tls.tls_files import TlsRole

log = event_log(__name__)

BACKLOG = 4096
"""Connections that the kernel queues while a fleet reconnects at once. When full, the kernel
refuses, and agents try again."""

STOP_S = 5.5
"""Seconds from SIGTERM until all remaining tasks are cancelled. The journal's own end, up to 4 s,
follows, so that the process is gone within ten seconds."""

SWITCH_INTERVAL_S = 2e-5
"""Seconds for which a busy loop may keep the interpreter from the journal's thread. With CPython's
5 ms a saturated loop starves commits for seconds (docs/storage.md)."""

GC_THRESHOLDS = (5_000, 200, 50)
"""The garbage collector's thresholds. Python's 700, 10, 10 would search all sessions many times a
second: a sixth of the CPU at 20,000 messages a second. Sessions are freed without the collector. A
search of the 5,000 youngest objects stops the loop, and so setpoints, for half a millisecond."""


async def main(
    config: HeadendConfig, fleet: Fleet, read_level: Callable[[], str] | None = None
) -> None:
    """The headend's process until SIGTERM or SIGINT; a second signal ends it at once.

    ``read_level`` reads the level of log lines anew, at SIGHUP.

    Raises: OSError (an address in use, certificates), JournalError, or a bug's exception; each ends
    the process with exit code 1.
    """
    show_stack_at_abort()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
    runtime = real_runtime()
    notifier = Notifier.from_environment(os.environ)
    reloads = Reloads(runtime, notifier)
    name_ids(_names(fleet))
    if read_level is not None:
        level = LevelReload(config.log_level, read_level, runtime)
        await reloads.add(Reload("log level", level.load))
    certificates = CertificateKeeper(config.tls_ends(), runtime)
    await certificates.load(reloads)
    fleet_keeper = FleetKeeper(config.assets, fleet, runtime)
    await fleet_keeper.watch(reloads)
    process = ProcessWatch("derhead", config.data, runtime)
    grpc: list[trio.SocketListener] = []

    async def open_grpc() -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        grpc[:] = grpc or await _listen("grpc", config.grpc)
        return certificates.over_tls(TlsRole.GRPC_SERVER, grpc)

    if not config.standby:
        await open_grpc()
    http = await _listen("http", config.http)
    log.info("derhead starts", version=__version__, pid=os.getpid(), data=str(config.data))
    stopping = trio.Event()

    def announce() -> None:
        log.info("serves agents", address=_bound(grpc), tls=config.tls_cert is not None)
        log.info("serves REST", address=_bound(http), tls=config.http_tls)
        notifier.ready()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(watch_signals, stopping, nursery.cancel_scope, within_s=STOP_S))
        nursery.start_soon(_tell_stopping, stopping, notifier)
        await nursery.start(watch_hangups, reloads.reload_all)
        nursery.start_soon(reloads.run)
        nursery.start_soon(certificates.remind)
        nursery.start_soon(remind_of_exposures, config.exposures())
        nursery.start_soon(feed_watchdog, notifier)
        nursery.start_soon(process.run)
        await run_headend(
            config,
            fleet,
            Listeners(open_grpc, certificates.over_tls(TlsRole.HTTP_SERVER, http)),
            runtime=runtime,
            stopping=stopping,
            certificates=certificates,
            reloads=reloads,
            fleet_keeper=fleet_keeper,
            notifier=notifier,
            process=process,
            task_status=_Announcing(announce),
        )
        nursery.cancel_scope.cancel()


def _names(fleet: Fleet) -> Names:
    """How log lines find the names of assets, sites and agents, now and after a reload."""

    def asset_name(id: str) -> str | None:
        asset = fleet.assets.get(id)
        return None if asset is None else asset.name

    def site_name(id: str) -> str | None:
        site = fleet.sites.get(id)
        return None if site is None else site.name

    # An agent without an id of its own has that of its site, or of its only asset.
    return {
        "asset": asset_name,
        "site": site_name,
        "agent": lambda id: site_name(id) or asset_name(id),
    }


class _Announcing:
    """Announces a headend that has started. A stand-by may be stopped before it has."""

    def __init__(self, announce: Callable[[], None]) -> None:
        self._announce = announce

    def started(self, value: object = None) -> None:
        self._announce()


async def _tell_stopping(stopping: trio.Event, notifier: Notifier) -> None:
    await stopping.wait()
    notifier.stopping()


async def _listen(name: str, address: Address) -> list[trio.SocketListener]:
    """Listeners on the address of the setting ``name``. Raises: OSError that names both."""
    try:
        return await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(
            error.errno,
            f"--{name} {address}: {why}; stop what listens there, or give another address",
        ) from error


def _bound(listeners: Sequence[trio.SocketListener]) -> Address:
    """The address in use: port 0 stands for any free port."""
    host, port, *_ = listeners[0].socket.getsockname()
    return Address(host, port)
