"""Gap reports of agents: read and checked. Pure."""

from derhead.gaps.holes import Origin, ReportedGap
from derhead.gaps.record import HoleCause, report_id
from derhead.telemetry import MAX_AHEAD_US
from derproto.der.v1 import GapCause, GapReport

LATEST_US = 253_402_300_800_000_000
"""End of the valid times, which begin at 0, in 1970: RFC 3339 cannot write the year 10000."""

MAX_NUMBER = 2**63 - 1

_CAUSES = {reported: HoleCause[reported.name] for reported in GapCause if reported.value}


def read_gap_report(report: GapReport, agent_id: str, now_us: int) -> ReportedGap | str:
    """The gap that an agent reports, or what is wrong with the message, naming the field.

    Units: ``now_us`` in microseconds since the epoch, by the headend's clock.
    """
    cause = _CAUSES.get(report.cause)
    if cause is None:
        return f"gap_report.cause: {int(report.cause)} is not a cause"
    if report.boot_id == 0:
        return "gap_report.boot_id: 0; send the boot that noticed it"
    if not 1 <= report.number <= MAX_NUMBER:
        return f"gap_report.number: {report.number} is not a number from 1"
    if not 0 <= report.start_us < LATEST_US:
        return f"gap_report.start_us: {report.start_us} is not a time from 1970 to 9999"
    if report.end_us and not report.start_us <= report.end_us < LATEST_US:
        return f"gap_report.end_us: {report.end_us} is before its start, or beyond 9999"
    for name, us in (("start_us", report.start_us), ("end_us", report.end_us)):
        if us > now_us + MAX_AHEAD_US:
            return f"gap_report.{name}: it is more than a week ahead of the headend's clock"
    return ReportedGap(
        report_id(agent_id, report.boot_id, report.number),
        Origin(agent_id, report.boot_id),
        cause,
        report.start_us,
        report.end_us or None,
        report.rows,
        report.revision,
    )
