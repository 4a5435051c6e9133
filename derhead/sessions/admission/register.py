"""Reading and checking a Register: pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from derhead.dispatch import AgentReport, read_report
from derproto.der.v1 import DispatchReport, Register

AGENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_TEXT = 64


@dataclass(frozen=True, slots=True)
class Registration:
    """A checked Register: the agent and its claims."""

    agent_id: str
    site_id: str | None
    asset_ids: tuple[str, ...]
    """The claimed ids in order, not yet checked; a position is an asset's index."""
    software_version: str
    boot_id: int
    clock_us: int
    """The agent's clock when it wrote Register, microseconds since the epoch."""
    reports: tuple[DispatchReport, ...]
    outbox_rows: int


def read_register(register: Register, max_assets: int) -> Registration | str:
    """The registration, or a sentence that names the wrong field."""
    if not AGENT_ID.fullmatch(register.agent_id):
        return (
            f"register.agent_id: {register.agent_id[:MAX_TEXT]!r} is not 1 to 64 of [A-Za-z0-9._-]"
        )
    site_id = None
    if register.site_id:
        site_id = canonical_uuid(register.site_id)
        if site_id is None:
            return f"register.site_id: {register.site_id[:MAX_TEXT]!r} is not a UUID"
    if not register.asset_ids:
        return "register.asset_ids: empty; claim at least one asset"
    if len(register.asset_ids) > max_assets:
        return (
            f"register.asset_ids: {len(register.asset_ids)} assets; at most {max_assets} a session"
        )
    if register.boot_id == 0:
        return "register.boot_id: 0; draw a random number at each start of the agent"
    outbox = register.outbox
    return Registration(
        agent_id=register.agent_id,
        site_id=site_id,
        asset_ids=tuple(register.asset_ids),
        software_version=register.software_version[:MAX_TEXT],
        boot_id=register.boot_id,
        clock_us=register.clock_us,
        reports=tuple(register.dispatches),
        outbox_rows=outbox.rows if outbox is not None else 0,
    )


def read_reports(
    reports: Sequence[DispatchReport], asset_ids: Sequence[str]
) -> tuple[list[AgentReport], list[str]]:
    """The readable reports, and a sentence about each of the others."""
    readable, faults = [], []
    for report in reports:
        read = read_report(report)
        if isinstance(read, str):
            faults.append(read)
        elif report.asset_index >= len(asset_ids):
            faults.append(f"asset_index {report.asset_index} was never assigned")
        else:
            readable.append(AgentReport(asset_ids[report.asset_index], *read))
    return readable, faults


def canonical_uuid(text: str) -> str | None:
    """The UUID in lower case with hyphens, or None."""
    try:
        return str(UUID(text))
    except ValueError:
        return None
