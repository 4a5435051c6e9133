"""One drill, from its first file to its verdict:

Drill.play
├ RecordPipe.read       what the devices write
├ AgentLink.serve       for each agent
├ HeadendKeeper.keep    the headend
└ run_processes         the agents, and the observers:
  ├ keep_looking        at the newest telemetry
  ├ EventReader.read    the events of orders
  ├ watch               whether this loop is in time
  ├ place_orders
  └ deal_all            the faults
"""

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import trio

from deragent.event_lines import EventKind, EventLine
from derproto import __version__
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import Address
from launcher.display.fleet_stage import FleetStage
from launcher.drilling.drill_files import HOST, DrillFiles, write_files
from launcher.drilling.drill_operator import DrillOperator
from launcher.drilling.event_reader import EventReader
from launcher.drilling.fault_dealing import FaultDealer
from launcher.drilling.headend_keeping import HeadendKeeper, free_port
from launcher.drilling.last_answers import read_histories, read_orders
from launcher.drilling.process_seat import ProcessSeat
from launcher.drilling.record_pipe import RecordPipe
from launcher.drilling.rest_answers import NoAnswer, Refused, RestAnswers
from launcher.drilling.telemetry_looks import LoopWatch, TelemetryLooks
from launcher.drills.drill_plan import DrillPlan
from launcher.drills.fault_kinds import TimedFault
from launcher.fleets.agent_jobs import AgentJob
from launcher.judgement.drill_verdict import DrillTitle, DrillVerdict, draw_verdict
from launcher.judgement.evidence import Evidence, ProcessEnd, SessionChange
from launcher.judgement.fault_times import FRESH_PERIODS, RETURN_S, SETTLED_US
from launcher.judgement.order_promises import ENDED
from launcher.links.agent_link import AgentLink
from launcher.running import FleetRun, agent_command
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent
from launcher.supervision.processes import ProcessSettings, run_processes

UP_S = 120.0
"""Time in which headend and agents must be up before the drill, seconds."""
ENDS_S = 60.0
"""Time in which orders must have ended after the drill, seconds."""
EVENTS_S = 15.0
"""Time in which the ends of all orders must have come as events, seconds."""
UNSHOWN = frozenset({EventKind.CONNECTING, EventKind.DISPATCH})
"""Events of agents without a line: there are too many of them beside those of the faults."""
USUAL_S = {"telemetry_period_s": 4.0, "alive_period_s": 10.0}
"""What the headend does unless a plan says otherwise, seconds."""


class DrillFailed(Exception):
    """The drill could not be held."""


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """The request to ``derlaunch run --chaos``."""

    plan: DrillPlan
    fleet: Fleet
    timetable: tuple[TimedFault, ...]
    seed: int
    drill_s: float
    folder: Path
    """A folder that does not exist yet."""
    log_format: str | None = None
    log_level: str | None = None
    verdict_file: Path | None = None
    """File for the verdict as JSON, beside the one in the folder."""


class Drill:
    """One drill, from its first file to its verdict."""

    def __init__(
        self,
        request: DrillRequest,
        jobs: tuple[AgentJob, ...],
        stage: FleetStage,
        runtime: Runtime,
    ) -> None:
        self._request = request
        self._jobs = jobs
        self._stage = stage
        self._runtime = runtime
        self.files = DrillFiles(request.folder.absolute())
        rng = random.Random(os.urandom(16))
        self._http_port, self._grpc_port = free_port(rng), free_port(rng)
        base = f"http://{HOST}:{self._http_port}"
        self._rest = RestAnswers(base)
        self._base = base
        dial = partial(trio.open_tcp_stream, HOST, self._grpc_port)
        self._links = {job.agent_id: AgentLink(dial) for job in jobs}
        self._seats = {job.agent_id: ProcessSeat(job.agent_id) for job in jobs}
        self._pipe = RecordPipe(self.files.record)
        self._keeper = HeadendKeeper(self.files, self._rest, runtime, stage.tell)
        fleet = request.fleet
        self._looks = TelemetryLooks(tuple(fleet.assets), self._rest, runtime)
        self._events = EventReader(self._rest, runtime)
        self._watch = LoopWatch(runtime)
        self._operator = DrillOperator(
            tuple(fleet.assets.values()),
            *(request.plan.orders, request.drill_s, self._rest, runtime, request.seed),
        )
        self._dealer = FaultDealer(
            *(self._links, self._seats, self._keeper.seat, lambda: self._keeper.answers),
            *(runtime, stage.tell),
        )
        settings = {**USUAL_S, **request.plan.headend}
        self._evidence = Evidence(
            assets=fleet.assets,
            agent_of={asset: job.agent_id for job in jobs for asset in job.asset_ids},
            period_s=settings["telemetry_period_s"],
            alive_s=settings["alive_period_s"],
            sessions={job.agent_id: [] for job in jobs},
        )

    async def play(self) -> DrillVerdict:
        """Holds the drill. Raises: DrillFailed, GuardLost, OSError, in groups.

        Cancellation: ends all processes.
        """
        request = self._request
        await write_files(
            *(self.files, request.fleet, request.plan.headend, self._http_port, self._grpc_port)
        )
        self._stage.tell(
            "drill starts",
            version=__version__,
            pid=os.getpid(),
            plan=request.plan.name,
            seed=request.seed,
            for_s=request.drill_s,
            faults=len(request.timetable),
            agents=len(self._jobs),
            headend=self._base,
            folder=str(self.files.folder),
        )
        async with self._rest.http, trio.open_nursery() as outer:
            await outer.start(self._pipe.read)
            for link in self._links.values():
                await outer.start(link.serve)
            await _in_time(partial(outer.start, self._keeper.keep), "the headend does not answer")
            with self.files.agents_log.open("ab", buffering=0) as log:
                async with trio.open_nursery() as inner:
                    inner.start_soon(run_processes, self._jobs, self._settings(log.write))
                    await self._play_with(inner)
                    inner.cancel_scope.cancel()
            outer.cancel_scope.cancel()
        self._note_last_end()
        return draw_verdict(self._title(), self._evidence)

    async def _play_with(self, nursery: trio.Nursery) -> None:
        evidence = self._evidence
        first_us = self._runtime.wall_us()
        nursery.start_soon(self._looks.keep_looking)
        nursery.start_soon(self._events.read)
        nursery.start_soon(self._watch.watch)
        await _in_time(partial(self._wait_fresh, first_us), "not all agents are up")
        evidence.began_us = self._runtime.wall_us()
        self._stage.tell("drill begins", agents=len(self._jobs), assets=len(evidence.assets))
        until_s = trio.current_time() + self._request.drill_s
        async with trio.open_nursery() as operating:
            operating.start_soon(self._operator.place_orders, until_s)
            await self._dealer.deal_all(self._request.timetable, self._request.seed)
            await trio.sleep_until(until_s)
            evidence.ended_us = self._runtime.wall_us()
            self._stage.tell("plan is over", faults=len(self._dealer.struck))
            await self._heal()
            operating.cancel_scope.cancel()
        with trio.move_on_after(ENDS_S):
            await self._operator.withdraw_open()
        await self._collect()

    async def _heal(self) -> None:
        """Waits until all is as before the faults, or could have been for long enough."""
        evidence = self._evidence
        patience_s = 3 * evidence.alive_s + RETURN_S + FRESH_PERIODS * evidence.period_s
        with trio.move_on_after(patience_s):
            while not (self._looks.fresh_since(evidence.ended_us) and self._all_followed()):
                await self._looks.wait_look()
        # Then the promises hold for all paths at least for a moment.
        await trio.sleep(SETTLED_US / 1e6 + 2 * evidence.period_s)

    def _all_followed(self) -> bool:
        return all(
            self._pipe.following(order.asset_id, order.mw) for order in self._operator.open_orders()
        )

    async def _collect(self) -> None:
        """Asks the headend for what it knows, and gathers what the observers noted."""
        evidence = self._evidence
        evidence.faults = self._dealer.struck
        evidence.looks = self._looks.looks
        evidence.notes, evidence.notes_missing = self._pipe.notes, self._pipe.missing
        evidence.late = self._watch.late
        for changes in evidence.sessions.values():
            changes.sort(key=lambda change: change.at_us)
        try:
            evidence.orders = await read_orders(self._operator.orders, self._rest, ENDS_S)
            evidence.closed_us = self._runtime.wall_us()
            await self._wait_for_events()
            await read_histories(evidence, self._rest)
        except (NoAnswer, Refused) as failure:
            raise DrillFailed(
                f"the headend does not answer after the drill ({failure})"
            ) from failure
        evidence.notes_missing = self._pipe.missing
        evidence.ends += self._keeper.ends
        self._stage.tell("drill ends", orders=len(evidence.orders))

    async def _wait_for_events(self) -> None:
        """Gives the reader of events the time to see how each order ended."""
        ends = {(o.dispatch_id, o.state) for o in self._evidence.orders if o.state in ENDED}
        with trio.move_on_after(EVENTS_S):
            while ends - {(event.dispatch_id, event.state) for event in self._events.seen}:
                await self._looks.wait_look()
        self._evidence.events = self._events.seen
        self._evidence.events_missed = self._events.missed

    def _note_last_end(self) -> None:
        """Stopped in order, a headend must end well."""
        if self._keeper.exit_code not in (0, None):
            how = f"exited with code {self._keeper.exit_code} when it was stopped"
            self._evidence.ends.append(ProcessEnd(self._runtime.wall_us(), "headend", how))

    async def _wait_fresh(self, since_us: int) -> None:
        while not self._looks.fresh_since(since_us):
            await self._looks.wait_look()

    def _settings(self, log: Callable[[bytes], object]) -> ProcessSettings:
        fleet_run = FleetRun(
            assets=self.files.assets,
            fleet=self._request.fleet,
            headend=Address(HOST, 0),
            in_process=False,
            data=self.files.folder / "agents",
            log_level=self._request.log_level,
        )

        def command(job: AgentJob) -> list[str]:
            headend = Address(HOST, self._links[job.agent_id].port)
            return agent_command(replace(fleet_run, headend=headend), job, self._stage.form)

        def take(event: FleetEvent) -> None:
            self._note(event)
            if isinstance(event, AgentSaid):
                # Under faults agents warn all the time; the drill's own lines must be seen.
                log(f"{event.text}\n".encode())
            elif isinstance(event, EventLine) and event.kind in UNSHOWN:
                self._stage.tally.take(event)
            else:
                self._stage.take(event)

        return ProcessSettings(
            command,
            self._runtime,
            take,
            whole_log=fleet_run.log_level == "debug",
            environment={"DERAGENT_TLS_CA": str(self.files.pki / "ca.pem")},
            may_start=lambda agent_id: self._seats[agent_id].wait_free(),
        )

    def _note(self, event: FleetEvent) -> None:
        sessions = self._evidence.sessions[event.agent_id]
        match event:
            case AgentStarted(pid=int(pid)):
                self._seats[event.agent_id].started(pid)
            case AgentEnded(at_us=at_us, how=how):
                self._seats[event.agent_id].ended()
                self._evidence.ends.append(ProcessEnd(at_us, event.agent_id, how))
                sessions.append(SessionChange(at_us, connected=False))
            case EventLine(kind=EventKind.CONNECTED | EventKind.DISCONNECTED as kind):
                sessions.append(SessionChange(event.at_us, kind is EventKind.CONNECTED))
            case _:
                pass

    def _title(self) -> DrillTitle:
        plan, drill_s = self._request.plan, self._request.drill_s
        return DrillTitle(
            *(plan.name, plan.about, self._request.seed, drill_s, __version__, plan.proves)
        )


async def _in_time(work: Callable[[], Awaitable[object]], complaint: str) -> None:
    try:
        with trio.fail_after(UP_S):
            await work()
    except trio.TooSlowError:
        raise DrillFailed(f"{complaint} within {UP_S:g} s") from None
