"""Processes that end only when a fault ends them: pure."""

from launcher.drills.fault_kinds import FaultKind
from launcher.drills.promise import Promise
from launcher.judgement.case_book import CaseBook, PromiseJudgement
from launcher.judgement.evidence import Evidence, ProcessEnd, StruckFault
from launcher.judgement.fault_times import FaultTimes, S

HEADEND = "headend"
"""How a ``ProcessEnd`` names the headend."""

NOTICED_US = 10 * S
"""Time in which the end of a process is noticed after the fault that ended it began: an agent
that is stopped in order gets 5 s, then it is killed."""


def judge_processes(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks for an end of a process without a fault that ends processes. Each process is a case."""
    book = CaseBook(Promise.PROCESSES, times.under)
    guilty = set()
    for end in evidence.ends:
        if not any(_ended_by(fault, end) for fault in times.faults):
            guilty.add(end.who)
            book.broken(end.at_us, f"{end.who} {end.how} by itself")
    book.kept(len({HEADEND, *evidence.agent_of.values()} - guilty))
    return book.judgement()


def _ended_by(fault: StruckFault, end: ProcessEnd) -> bool:
    struck = fault.headend if end.who == HEADEND else end.who in fault.agents
    ends = fault.kind in (FaultKind.KILL, FaultKind.RESTART)
    return struck and ends and fault.from_us <= end.at_us <= fault.from_us + NOTICED_US
