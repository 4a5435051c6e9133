"""The agent's composition root.

``run_agent`` is the agent itself. It needs no process: its clock, link, devices and randomness
are injected, so that many agents run in one loop, and under virtual time. Its nursery:

    run_agent
    ├ Device.run     one a device, if its driver needs it; outlasts the others
    ├ sample_asset   one an asset: measures, never waits for the network
    ├ control        one an asset: carries out its setpoint timeline
    ├ run            TimelineWriter: the timelines' file, with a data folder only
    ├ run            OutboxWriter: the outbox's file, likewise
    └ keep_uplink    the link: one session after another, for ever

``main`` is the process around it: signals, TLS, and the lines that it prints.
"""

import os
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import trio
from structlog.contextvars import bind_contextvars

from deragent.agent_figures import (
    agent_certificate_figures,
    device_figures,
    link_figures,
    outbox_figures,
)
from deragent.config import AgentConfig, AgentPlan
from deragent.devices import Device, open_device
from deragent.event_lines import EventLine, link_status
from deragent.outbox import OutboxLimits
from deragent.plan_keeper import OpenDevice, PlanKeeper
from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import Controller
from deragent.tasks.event_printer import EventPrinter
from deragent.tasks.outbox_writer import open_outbox_writer
from deragent.tasks.sampler import sample_asset
from deragent.tasks.timeline_writer import open_timeline_writer
from deragent.uplink import BACKFILL_ROWS_S, HeadendEndpoint, keep_uplink
from derproto import __version__
from derproto.base.runtime import Runtime, open_lasting_tasks, real_runtime
from derproto.configuration.fleet import Asset
from derproto.configuration.secret_files import read_sent_token
from derproto.metrics.exposition import Metrics
from derproto.metrics.metrics_port import open_metrics_port, serve_metrics
from derproto.metrics.process_watch import ProcessWatch
from derproto.stdio.log_events import event_log
from derproto.stdio.log_lines import name_ids
from derproto.stdio.logs import LevelReload
from derproto.system.abort_stack import show_stack_at_abort
from derproto.system.reloading import Reload, Reloads, watch_hangups
from derproto.system.stopping import watch_signals
from derproto.system.systemd import Notifier, feed_watchdog
from derproto.tls.certificate_keeper import CertificateKeeper
from derproto.tls.tls_files import TlsRole
from derproto.triogrpc import dial

log = event_log(__name__)

STOP_S = 2.0
"""Time from SIGTERM for a clean end of the session; then the link is cut."""


async def run_agent(
    plan: AgentPlan,
    *,
    runtime: Runtime,
    dial: Callable[[], Awaitable[trio.abc.Stream]],
    rng: random.Random,
    authority: str,
    scheme: str = "http",
    token_file: Path | None = None,
    outbox: OutboxLimits | None = None,
    backfill_rows_s: int = BACKFILL_ROWS_S,
    on_event: Callable[[EventLine], None] = lambda _event: None,
    open_device: OpenDevice = open_device,
    hands_over: Callable[[Asset, Device], bool] = lambda _asset, _device: False,
    runs_devices: bool = True,
    data: Path | None = None,
    stopping: trio.Event | None = None,
    task_status: trio.TaskStatus[AgentBoard] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs one agent until ``stopping`` is set; without it, for ever.

    Reports ``started`` with its board once the devices are open. ``on_event`` is called in place
    and must not block. ``rng`` decides boot id, phases and jitter, but not the noise of devices.
    ``token_file`` has the token to show, and is read at each connection.
    ``hands_over`` says at the end, for each device under an order, whether another life of the
    agent takes the device over as it is. Any other device is told its default.
    ``runs_devices`` says whether the agent runs the tasks of its devices; else the caller does.
    ``data`` is the agent's own folder for timelines and unsent samples; without one, both end
    with the agent.

    Raises: DeviceConfigError, DataFolderError or OSError before ``started``; afterwards only
    bugs of the agent, in a group: the crash of one task ends the agent. Cancellation: cuts the
    session; tells devices under an order their default, within a second.
    """
    devices = [await open_device(asset, runtime) for asset in plan.assets]
    board = AgentBoard(
        plan,
        runtime=runtime,
        boot_id=rng.getrandbits(64) or 1,
        outbox=OutboxLimits() if outbox is None else outbox,
        backfill_rows_s=backfill_rows_s,
        on_event=on_event,
    )
    controllers = [
        Controller(index, asset, device, board)
        for index, (asset, device) in enumerate(zip(plan.assets, devices, strict=True))
    ]
    for controller, asset, device in zip(controllers, plan.assets, devices, strict=True):
        controller.hands_over = partial(hands_over, asset, device)
    headend = HeadendEndpoint(
        dial, authority, scheme, read_token=_token_reader(token_file, runtime)
    )
    stopping = trio.Event() if stopping is None else stopping
    async with AsyncExitStack() as kept:
        timeline_writer = outbox_writer = None
        if data is not None:
            timeline_writer = await kept.enter_async_context(
                open_timeline_writer(data, runtime, board, controllers)
            )
            outbox_writer = await kept.enter_async_context(open_outbox_writer(data, runtime, board))
        phase = rng.random()
        # A controller that ends still tells its device the default.
        lasting = await kept.enter_async_context(open_lasting_tasks())
        for device in devices if runs_devices else ():
            lasting.start(device.run)
        async with trio.open_nursery() as nursery:
            for index, (device, controller) in enumerate(zip(devices, controllers, strict=True)):
                nursery.start_soon(controller.control)
                nursery.start_soon(
                    sample_asset, index, device, board, phase, controller.note_reading
                )
            if timeline_writer is not None:
                nursery.start_soon(timeline_writer.run)
            if outbox_writer is not None:
                nursery.start_soon(outbox_writer.run)
            task_status.started(board)
            await keep_uplink(headend, board, controllers, rng, stopping)
            nursery.cancel_scope.cancel()


def _token_reader(path: Path | None, runtime: Runtime) -> Callable[[], Awaitable[str]] | None:
    if path is None:
        return None
    return partial(runtime.run_blocking, partial(read_sent_token, path))


async def main(
    config: AgentConfig,
    plan: AgentPlan,
    *,
    open_device: OpenDevice = open_device,
    read_level: Callable[[], str] | None = None,
    read_plan: Callable[[], AgentPlan] | None = None,
) -> None:
    """Runs the agent's process. SIGTERM or SIGINT ends it cleanly; a second signal, at once.

    ``open_device`` may bring drivers of other packages. ``read_level`` and ``read_plan`` read the
    level of log lines and the plan anew, at SIGHUP.

    Raises: DeviceConfigError, DataFolderError, OSError (certificates, folder), or a bug of the
    agent, which ends the process with exit code 1 and a traceback.
    """
    show_stack_at_abort()
    runtime = real_runtime()
    notifier = Notifier.from_environment(os.environ)
    reloads = Reloads(runtime, notifier)
    plans = PlanKeeper(plan, read_plan, runtime, open_device)
    name_ids({"asset": plans.name_of, "agent": plans.name_of})
    bind_contextvars(agent=plan.agent_id)
    log.info("deragent starts", version=__version__, pid=os.getpid(), assets=len(plan.assets))
    if read_level is not None:
        level = LevelReload(config.log_level, read_level, runtime)
        await reloads.add(Reload("log level", level.load))
    await reloads.add(Reload("assets", plans.reload))
    certificates = CertificateKeeper(config.tls_ends(plan.agent_id), runtime)
    await certificates.load(reloads)
    host, port = config.headend.host, config.headend.port
    metrics, process = (
        Metrics(),
        ProcessWatch("deragent", config.data_folder(plan.agent_id), runtime),
    )
    metrics.add(process.metrics)
    scrapes = None if config.metrics_port is None else await open_metrics_port(config.metrics_port)
    stopping = trio.Event()
    printer = EventPrinter(runtime)
    report = printer.put if config.events else _log_event

    def take(event: EventLine) -> None:
        report(event)
        status = link_status(event, str(config.headend))
        if status is not None:
            notifier.tell(status)

    async with trio.open_nursery() as outer:
        if config.events:
            outer.start_soon(printer.print_events)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(watch_signals, stopping, nursery.cancel_scope, within_s=STOP_S)
            )
            await nursery.start(watch_hangups, reloads.reload_all)
            nursery.start_soon(reloads.run)
            nursery.start_soon(certificates.remind)
            nursery.start_soon(feed_watchdog, notifier)
            if scrapes is not None:
                nursery.start_soon(process.run)
                nursery.start_soon(serve_metrics, metrics, scrapes)
            live = partial(
                run_agent,
                runtime=runtime,
                dial=lambda: dial(host, port, ssl_context=certificates.context(TlsRole.AGENT)),
                rng=random.Random(secrets.randbits(128)),
                authority=f"{host}:{port}",
                scheme="https" if config.tls else "http",
                token_file=config.token_file,
                outbox=config.outbox,
                backfill_rows_s=config.backfill_rows_s,
                data=config.data_folder(plan.agent_id),
                on_event=take,
            )

            def begun(board: AgentBoard) -> None:
                if not boards:
                    _show(boards, certificates, metrics, runtime)
                    notifier.ready(f"connecting to {config.headend}")
                boards[:] = [board]

            boards: list[AgentBoard] = []
            nursery.start_soon(_tell_stopping, stopping, notifier)
            await run_lives(plans, live, stopping, begun)
            nursery.cancel_scope.cancel()
        printer.close()
        outer.cancel_scope.deadline = trio.current_time() + STOP_S


async def run_lives(
    plans: PlanKeeper,
    live: Callable[..., Awaitable[None]],
    stopping: trio.Event,
    begun: Callable[[AgentBoard], None] = lambda _board: None,
) -> None:
    """Runs one life of the agent after another until ``stopping`` is set.

    ``live`` is ``run_agent`` with everything but the plan. Raises: as ``run_agent`` does.
    """

    async def stop_when_asked() -> None:
        await stopping.wait()
        plans.stop()

    async with open_lasting_tasks() as lasting:
        plans.lasting = lasting
        try:
            async with trio.open_nursery() as outer:
                outer.start_soon(stop_when_asked)
                while not stopping.is_set():
                    async with trio.open_nursery() as running:
                        life_ends = plans.begin_life()
                        board: AgentBoard = await running.start(
                            partial(
                                live,
                                plans.plan,
                                open_device=plans.open_device,
                                hands_over=plans.hands_over,
                                runs_devices=False,
                                stopping=life_ends,
                            )
                        )
                        plans.note_taken()
                        begun(board)
                outer.cancel_scope.cancel()
        finally:
            await plans.return_devices()


async def _tell_stopping(stopping: trio.Event, notifier: Notifier) -> None:
    await stopping.wait()
    notifier.stopping()


def _show(
    boards: Sequence[AgentBoard],
    certificates: CertificateKeeper,
    metrics: Metrics,
    runtime: Runtime,
) -> None:
    """Adds the agent's figures to its port for Prometheus; the present board is ``boards[0]``."""
    metrics.add(lambda: link_figures(boards[0], trio.current_time() - boards[0].now().heard_s))
    metrics.add(lambda: outbox_figures(boards[0], runtime.wall_us()))
    metrics.add(lambda: device_figures(boards[0]))
    if certificates.paths:
        metrics.add(lambda: agent_certificate_figures(certificates.seconds_left()))


def _log_event(event: EventLine) -> None:
    log.log(event.log_level, event.kind.value, **event.log_keys())
