"""Operations on the fleet: assets, sites and agents, what they measure, how they are."""

from derhead.api.openapi.answer_specs import listing, ok
from derhead.api.openapi.operations import ListOf, Operation
from derhead.api.openapi.parameters import (
    AGENT,
    AGENT_OR_ASSET,
    ASSET,
    FIELDS,
    LEVELS,
    PAGE,
    RANGE,
    SITE,
    STEP,
)
from derhead.shapes import (
    AgentJson,
    AssetJson,
    BucketJson,
    EntryJson,
    GapJson,
    HeartbeatJson,
    LevelJson,
    SessionJson,
    SiteJson,
    TelemetryJson,
)

FLEET_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/assets",
        id="listAssets",
        tag="fleet",
        summary="Every asset of the fleet",
        parameters=(FIELDS,),
        answers=listing("All assets.", ListOf(AssetJson)),
    ),
    Operation(
        path="/sites",
        id="listSites",
        tag="fleet",
        summary="Every site: the power of its assets, and how far it could go up and down",
        parameters=(FIELDS,),
        answers=listing("All sites.", ListOf(SiteJson)),
    ),
    Operation(
        path="/sites/{site}",
        id="showSite",
        tag="fleet",
        summary="One site: the power of its assets, and how far it could go up and down",
        parameters=(SITE,),
        answers=ok("The site.", SiteJson),
    ),
    Operation(
        path="/agents",
        id="listAgents",
        tag="fleet",
        summary="The connected agents",
        parameters=(FIELDS,),
        answers=listing("All agents with a live session.", ListOf(AgentJson)),
    ),
    Operation(
        path="/agents/{agent_id}/sessions",
        id="listSessions",
        tag="fleet",
        summary="An agent's sessions, newest first",
        parameters=(AGENT, *RANGE, *PAGE, FIELDS),
        answers=listing("Sessions.", ListOf(SessionJson)),
    ),
    Operation(
        path="/agents/{agent_id}/timeline",
        id="showTimeline",
        tag="fleet",
        summary="An agent's sessions, gaps and dispatches in one list, newest first",
        description="A gap appears at its start, a dispatch at the time of its order. The assets"
        " are those of the agent's newest session.",
        parameters=(AGENT, *RANGE, *PAGE),
        answers=ok("A page of entries.", ListOf(EntryJson)),
    ),
)

TELEMETRY_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/telemetry",
        id="listTelemetry",
        tag="telemetry",
        summary="The newest telemetry of all assets",
        parameters=(FIELDS,),
        answers=listing("Every asset's newest sample.", ListOf(TelemetryJson)),
    ),
    Operation(
        path="/telemetry/{asset}",
        id="showTelemetry",
        tag="telemetry",
        summary="The newest telemetry of one asset",
        parameters=(ASSET,),
        answers=ok("Its newest sample; nulls if it never sent one.", TelemetryJson),
    ),
    Operation(
        path="/telemetry/{asset}/history",
        id="listHistory",
        tag="telemetry",
        summary="An asset's samples, or summaries over steps of time, newest first",
        parameters=(ASSET, *RANGE, *PAGE, FIELDS, STEP),
        answers=listing(
            "Samples, or with `step` buckets.", (ListOf(TelemetryJson), ListOf(BucketJson))
        ),
    ),
    Operation(
        path="/telemetry/{asset}/gaps",
        id="listGaps",
        tag="telemetry",
        summary="The gaps in an asset's samples with their causes, newest first",
        parameters=(ASSET, *RANGE, *PAGE, FIELDS),
        answers=listing("Gaps.", ListOf(GapJson)),
    ),
)

LEVEL_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/slo",
        id="listLevels",
        tag="slo",
        summary="How well the promises to the operator held in the last seven days, worst first",
        description="Of the fleet, or of each site, agent or asset. An agent has the assets that it"
        " holds, or held last.",
        parameters=(*LEVELS, FIELDS),
        answers=listing("Service levels.", ListOf(LevelJson)),
    ),
)

HEARTBEAT_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/heartbeat/{agent_or_asset}",
        id="showHeartbeat",
        tag="heartbeat",
        summary="An agent's newest heartbeat",
        parameters=(AGENT_OR_ASSET,),
        answers=ok("Its newest heartbeat; nulls if it never sent one.", HeartbeatJson),
    ),
    Operation(
        path="/heartbeat/{agent_or_asset}/history",
        id="listHeartbeats",
        tag="heartbeat",
        summary="An agent's heartbeats, newest first",
        parameters=(AGENT_OR_ASSET, *RANGE, *PAGE, FIELDS),
        answers=listing("Heartbeats.", ListOf(HeartbeatJson)),
    ),
)
