"""The headend's composition root.

``run_headend`` is the headend itself. Its clock, blocking work and listeners come from its caller,
so that all of it runs under virtual time. Its nursery tree, from the outside in::

    run_headend
    └ journal                       opened first, closed last
      └ outside                     PostgreSQL's connections and its feed, if configured
        └ services                  dispatch desk, sites, judge, keys, acknowledgements,
          │                         gaps, retention
          └ links                   gRPC server: a task group for each connection, with its session
            └ http                  REST: a task group for each connection

The headend stops from the inside out. REST and the accept loops stop first. Then every session gets
Goodbye(draining) and ``drain_s`` to end. Then the desk stops, then the journal.

``main`` is the process around the headend: signals, sockets, TLS.
"""

import faulthandler
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from derhead.access import (
    AccessGate,
    IssuerTerms,
    KeyKeeping,
    KeySource,
    keep_issuer,
    open_gate,
)
from derhead.api import RestApp, TrustedHosts, create_app
from derhead.config import HeadendConfig
from derhead.errors import ClaimError
from derhead.events import MAX_READERS
from derhead.exposure_reminder import remind_of_exposures
from derhead.feeding import open_database
from derhead.fleet_keeper import FleetKeeper
from derhead.headend import Headend
from derhead.history import (
    DAY_US,
    FED_KEPT_DAYS,
    GB,
    KEPT_DAYS,
    RetentionLimits,
    open_journal,
)
from derhead.httpserver import HttpLimits, HttpServer, serve_http
from derhead.observability import (
    HealthService,
    exposure_check,
    http_metrics,
    link_metrics,
    reload_check,
)
from derhead.sessions import AgentIdentities, SessionLimits
from derproto import __version__
from derproto.base.runtime import Runtime, real_runtime
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import Address
from derproto.headend_rpc import SESSION, ColumnCodec
from derproto.metrics.process_watch import ProcessWatch
from derproto.stdio.log_events import event_log
from derproto.stdio.log_lines import Names, name_ids
from derproto.stdio.logs import LevelReload
from derproto.system.reloading import Reload, Reloads, watch_hangups
from derproto.system.stopping import watch_signals
from derproto.system.systemd import NOBODY, Notifier, feed_watchdog
from derproto.tls.certificate_keeper import CertificateKeeper
from derproto.tls.tls_files import TlsRole
from derproto.triogrpc import LinkLimits, NewcomerLimits, Server

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


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners: sockets in a daemon, memory in a test."""

    open_grpc: Callable[[], Awaitable[Sequence[trio.abc.Listener[trio.abc.Stream]]]]
    """Opens those for agents, unless they are open: a stand-by lets no agent connect."""
    http: Sequence[trio.abc.Listener[trio.abc.Stream]]


async def run_headend(
    config: HeadendConfig,
    fleet: Fleet,
    listeners: Listeners,
    *,
    runtime: Runtime,
    stopping: trio.Event,
    notifier: Notifier = NOBODY,
    certificates: CertificateKeeper | None = None,
    reloads: Reloads | None = None,
    fleet_keeper: FleetKeeper | None = None,
    process: ProcessWatch | None = None,
    task_status: trio.TaskStatus[Headend] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs a headend until ``stopping`` is set; it has started once it listens.

    A stand-by listens for agents once it has taken over.

    Raises: JournalError if the journal cannot be opened; ClaimError if another headend holds its
    database, or has taken it over meanwhile. Otherwise only a bug makes it raise later.
    Cancellation: ends everything at once; acknowledged data stay.
    """
    spooling = config.postgres_dsn is not None
    trusted = trusted_hosts(config, certificates)
    async with open_journal(
        config.data / "journal.db", runtime, notifier=notifier, spooling=spooling
    ) as journal:
        async with trio.open_nursery() as outside:
            database = await open_database(
                config,
                journal,
                runtime,
                outside,
                http=listeners.http,
                trusted=trusted,
                stopping=stopping,
                notifier=notifier,
            )
            if stopping.is_set():
                if database is not None:
                    await database.claim.release()
                outside.cancel_scope.cancel()
                return
            gate = await open_gate(config.tokens, runtime, reloads)
            issuer = await open_issuer(config, gate, runtime, reloads)
            headend = Headend(
                fleet,
                journal,
                limits=session_limits(config),
                retention=retention_limits(config),
                runtime=runtime,
                feed=None if database is None else database.feed,
                claim=None if database is None else database.claim,
                identities=AgentIdentities(gate, needs_proof=config.agent_tokens),
            )
            if certificates is not None and certificates.paths:
                headend.show_certificates(certificates)
            if process is not None:
                headend.show_process(process)
            if exposures := config.exposures():
                headend.readiness.add(partial(exposure_check, [each.fact for each in exposures]))
            if reloads is not None:
                headend.readiness.add(lambda: reload_check(reloads.failures))
                reloads.on_outcome = headend.note_reload
            await headend.load()
            async with trio.open_nursery() as services:
                if issuer is not None:
                    services.start_soon(issuer.run)
                await services.start(headend.desk.run)
                await services.start(headend.sites.run)
                await services.start(headend.judge.run)
                await services.start(headend.keys.run)
                services.start_soon(headend.sessions.run)
                services.start_soon(headend.gaps.run)
                services.start_soon(headend.retention.run)
                services.start_soon(headend.audit.run)
                services.start_soon(headend.census.run)
                async with trio.open_nursery() as links:
                    health = HealthService(headend.readiness)
                    server = Server(
                        {SESSION: headend.sessions.serve, **health.handlers()},
                        codec=ColumnCodec(),
                        limits=link_limits(config),
                    )
                    await links.start(server.serve, await listeners.open_grpc())
                    headend.metrics.add(lambda: link_metrics(server.statistics()))
                    headend.bounds.add(
                        "link_connections",
                        lambda: server.statistics().connections_open,
                        link_limits(config).max_connections,
                    )
                    async with trio.open_nursery() as http:
                        app = create_app(headend, gate, trusted)
                        if fleet_keeper is not None:
                            fleet_keeper.serve(headend, app)
                        await http.start(partial(app.events.run, stopping=stopping))
                        http_limits = HttpLimits(max_connections=config.max_http_connections)
                        http_server: HttpServer = await http.start(
                            lambda task_status: serve_http(
                                app,
                                listeners.http,
                                limits=http_limits,
                                stopping=stopping,
                                task_status=task_status,
                            )
                        )
                        _show_http(headend, app, http_server, http_limits)
                        task_status.started(headend)
                    health.drain()
                    headend.sessions.drain()
                    await server.drain(config.drain_s)
                services.cancel_scope.cancel()
            if database is not None:
                await database.hand_over()
            outside.cancel_scope.cancel()
    if database is not None and database.claim.replaced is not None:
        raise ClaimError(f"{database.claim.replaced}; one headend a database")


def trusted_hosts(config: HeadendConfig, certificates: CertificateKeeper | None) -> TrustedHosts:
    """The hosts and origins that browsers may name to REST."""
    return TrustedHosts(
        (config.http.host, *config.http_allowed_hosts),
        origins=config.cors_origins,
        certified=(
            tuple if certificates is None else partial(certificates.hosts, TlsRole.HTTP_SERVER)
        ),
    )


def _show_http(headend: Headend, app: RestApp, server: HttpServer, limits: HttpLimits) -> None:
    """Adds REST's server to what ``/metrics`` shows."""
    headend.metrics.add(lambda: http_metrics(server.statistics()))
    add = headend.bounds.add
    add("http_connections", lambda: server.statistics().open, limits.max_connections)
    add("http_held_bytes", lambda: server.statistics().held_bytes, limits.held_bytes)
    add("event_readers", lambda: app.events.statistics().readers, MAX_READERS)


async def open_issuer(
    config: HeadendConfig, gate: AccessGate, runtime: Runtime, reloads: Reloads | None
) -> KeyKeeping | None:
    """The keeper of the configured OIDC issuer's keys; None = none is configured."""
    if config.oidc_issuer is None or config.oidc_audience is None:
        return None
    terms = IssuerTerms(
        config.oidc_issuer,
        config.oidc_audience,
        config.oidc_name_claim,
        config.oidc_role_claim,
        config.oidc_sites_claim,
    )
    source = KeySource(config.oidc_jwks_file, config.oidc_jwks_url, config.oidc_ca)
    keeper = keep_issuer(gate, terms, source, runtime)
    await keeper.begin(reloads)
    return keeper


def session_limits(config: HeadendConfig) -> SessionLimits:
    """The limits of sessions, from the configuration."""
    return SessionLimits(
        register_timeout_s=config.register_timeout_s,
        telemetry_period_s=config.telemetry_period_s,
        heartbeat_period_s=config.heartbeat_period_s,
        alive_period_s=config.alive_period_s,
        silence_s=config.agent_silence_s,
        max_sessions=config.max_sessions,
    )


def retention_limits(config: HeadendConfig) -> RetentionLimits:
    """The limits of the journal's retention, from the configuration."""
    days = config.retention_days
    if days is None:
        days = KEPT_DAYS if config.postgres_dsn is None else FED_KEPT_DAYS
    return RetentionLimits(
        keep_us=round(days * DAY_US),
        max_bytes=round(config.retention_max_gb * GB),
        fed=config.postgres_dsn is not None,
    )


def link_limits(config: HeadendConfig) -> LinkLimits:
    """The limits of agents' connections, from the configuration."""
    # Besides live sessions there are connections on their way in and out.
    max_connections = config.max_sessions + 1000
    return LinkLimits(
        max_connections=max_connections,
        newcomers=NewcomerLimits(address_share=max_connections // 4),
        # Sessions end silent agents, with a reason. PINGs find silent connections without one.
        keepalive_time_s=config.agent_silence_s,
    )


async def main(
    config: HeadendConfig, fleet: Fleet, read_level: Callable[[], str] | None = None
) -> None:
    """The headend's process until SIGTERM or SIGINT; a second signal ends it at once.

    ``read_level`` reads the level of log lines anew, at SIGHUP.

    Raises: OSError (an address in use, certificates), JournalError, or a bug's exception; each ends
    the process with exit code 1.
    """
    # systemd's watchdog ends a loop that stands still with SIGABRT: the log then shows where.
    faulthandler.enable()
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
