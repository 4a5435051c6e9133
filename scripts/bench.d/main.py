"""``scripts/bench``: measures, compares, prints a table or JSON."""

import argparse
import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import codec_subject
import connect
import devices
import dispatch
import events
import fairness
import history
import ingest
import link
import memory
import pieces
import rest
import storm
from contest import Budget
from errors import Failed, Unavailable
from machine import describe_machine, pick_cores
from measures import OURS, Findings, Measure, as_json
from table import render
from workshop import Workshop


@dataclass(frozen=True)
class Subject:
    """A subject of the benchmark."""

    what: str
    run: Callable[[Workshop, Budget], list[Findings]]
    measures: Sequence[Measure]
    """The measures that are null if the subject cannot run at all."""


SUBJECTS = {
    "link": Subject("CPU a message, setpoints under load", link.run, link.MEASURES),
    "pieces": Subject("what each piece of the link gains", pieces.run, pieces.MEASURES),
    "fairness": Subject("950 sessions beside 50 that flood", fairness.run, fairness.MEASURES),
    "codec": Subject("encoding and decoding", codec_subject.run, codec_subject.MEASURES),
    "ingest": Subject("rows from agents to durable", ingest.run, ingest.MEASURES),
    "connect": Subject("5,000 agents at once, memory a session", connect.run, connect.MEASURES),
    "dispatch": Subject(
        "from POST to started, dispatches a second", dispatch.run, dispatch.MEASURES
    ),
    "devices": Subject("200 SunSpec devices of one agent", devices.run, devices.MEASURES),
    "events": Subject("the cost of readers of /events", events.run, events.MEASURES),
    "history": Subject("a day in steps of a minute, a million rows", history.run, history.MEASURES),
    "memory": Subject("memory of a session, by package", memory.run, memory.MEASURES),
    "storm": Subject(
        "3,000 agents lose the headend: kill -9, cut of 10 min", storm.run, storm.MEASURES
    ),
    "rest": Subject("GET of the latest telemetry", rest.run, rest.MEASURES),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the headend beside its alternatives.",
        epilog="\n".join(
            ["subjects:", *(f"  {name:<8}  {subject.what}" for name, subject in SUBJECTS.items())]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "subject", choices=[*SUBJECTS, "all"], metavar="SUBJECT", help="see below; or all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="take 45 s at most, with one alternative"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, a key for each measure"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    # A shell that starts it in the background makes it ignore SIGINT; this undoes that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        findings = _measure(
            list(SUBJECTS) if options.subject == "all" else [options.subject], options.quick
        )
    except KeyboardInterrupt:
        print("scripts/bench: stopped", file=sys.stderr)
        return 130
    if options.json:
        print(json.dumps(as_json(findings)))
    else:
        print("\n".join(f"- {line}" for line in describe_machine()))
        print()
        print(render(findings))
    return 0 if all(found.figure(OURS) is not None for found in findings) else 1


def _measure(subjects: list[str], quick: bool) -> list[Findings]:
    _allow_many_files()
    usable = os.sched_getaffinity(0)
    cores = pick_cores()
    workshop = Workshop(cores, tell=_tell)
    if len(usable) == 1:
        _tell("only one core: server and generator share it")
    # This process sleeps during measurements; the little that it does runs on that core.
    os.sched_setaffinity(0, cores.generator)
    findings = []
    try:
        for subject in subjects:
            _tell(f"{subject}:")
            findings += _run(SUBJECTS[subject], workshop, Budget(quick))
    finally:
        os.sched_setaffinity(0, usable)
    return findings


def _run(subject: Subject, workshop: Workshop, budget: Budget) -> list[Findings]:
    """The subject's figures; all null, with the reason, if it cannot run."""
    try:
        return subject.run(workshop, budget)
    except (Failed, Unavailable) as error:
        _tell(f"  {error}")
        findings = [Findings(measure) for measure in subject.measures]
        for found in findings:
            found.add(OURS, None)
            found.notes[OURS] = str(error)
        return findings


def _allow_many_files() -> None:
    """Allows thousands of connections in one process; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tell(line: str) -> None:
    """Prints progress to standard error: standard output holds the result alone."""
    print(line, file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
