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
"""

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
from derhead.daemon.feeding import open_database
from derhead.daemon.fleet_keeper import FleetKeeper
from derhead.daemon.limits import (
    best_proof,
    link_limits,
    objectives,
    retention_limits,
    session_limits,
)
from derhead.daemon.token_auditing import audit_tokens
from derhead.errors import ClaimError
from derhead.events import MAX_READERS
from derhead.headend import Headend
from derhead.history import open_journal
from derhead.httpserver import HttpLimits, HttpServer, serve_http
from derhead.observability import (
    HealthService,
    exposure_check,
    http_metrics,
    link_metrics,
    reload_check,
)
from derhead.sessions import AgentIdentities
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.headend_rpc import SESSION, ColumnCodec
from derproto.metrics.process_watch import ProcessWatch
from derproto.system.reloading import Reloads
from derproto.system.systemd import NOBODY, Notifier
from derproto.tls.certificate_keeper import CertificateKeeper
from derproto.tls.tls_files import TlsRole
from derproto.triogrpc import Server


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners: sockets in a daemon, memory in a test."""

    open_grpc: Callable[[], Awaitable[Sequence[trio.abc.Listener[trio.abc.Stream]]]]
    """Opens the agents' listeners, if they are not open yet: a stand-by lets no agent connect."""
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
            gate = await open_gate(config.tokens, runtime, reloads)
            issuer = await open_issuer(config, gate, runtime, reloads)
            if issuer is not None:
                outside.start_soon(issuer.run)
            database = await open_database(
                config,
                journal,
                runtime,
                outside,
                http=listeners.http,
                gate=gate,
                trusted=trusted,
                stopping=stopping,
                notifier=notifier,
            )
            if stopping.is_set():
                if database is not None:
                    await database.claim.release()
                outside.cancel_scope.cancel()
                return
            headend = Headend(
                fleet,
                journal,
                limits=session_limits(config),
                retention=retention_limits(config),
                objectives=objectives(config),
                runtime=runtime,
                feed=None if database is None else database.feed,
                claim=None if database is None else database.claim,
                identities=AgentIdentities(
                    gate, needs_proof=config.agent_tokens, best=best_proof(config)
                ),
            )
            if certificates is not None and certificates.paths:
                headend.instruments.show_certificates(certificates)
            if process is not None:
                headend.instruments.show_process(process)
            if exposures := config.exposures():
                headend.readiness.add(partial(exposure_check, [each.fact for each in exposures]))
            if reloads is not None:
                headend.readiness.add(lambda: reload_check(reloads.failures))
                await audit_tokens(headend, gate, reloads)
            await headend.load()
            async with trio.open_nursery() as services:
                await services.start(headend.desk.run)
                headend.drain_departed()
                await services.start(headend.sites.run)
                await services.start(headend.judge.run)
                await services.start(headend.keys.run)
                services.start_soon(headend.sessions.run)
                services.start_soon(headend.gaps.run)
                services.start_soon(headend.levels.run)
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
                    limits, add = link_limits(config), headend.instruments.bounds.add
                    add(
                        "link_connections",
                        lambda: server.statistics().connections_open,
                        limits.max_connections,
                    )
                    add(
                        "link_unfinished_bytes",
                        lambda: server.statistics().unfinished_bytes,
                        limits.max_reassembly_bytes,
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
    add = headend.instruments.bounds.add
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
