"""What the API's JSON looks like: one type for each object that callers see.

The shapes return these types, and ``/openapi.json`` is made of them, so that what is said
and what is documented cannot part. Unknown is null; no number is NaN.
"""

from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from derhead.dispatch import MAX_DURATION_S, Outcome, State
from derhead.gaps import HoleCause

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339, UTC."""
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]

Span = Annotated[float, Meta(gt=0, le=MAX_DURATION_S)]
"""Seconds."""
Priority = Annotated[int, Meta(ge=0, le=255)]

Kind = Literal["solar", "battery", "ev_charger", "load", "generator"]
OperatingStatus = Literal["off", "standby", "starting", "running", "curtailed", "fault", "unknown"]
Quality = Literal["clock_skew", "implausible", "stale_device", "backfilled"]
HealthName = Literal["unspecified", "ok", "degraded", "unreachable"]
if TYPE_CHECKING:
    StateName = str
    GapCauseName = str
    OutcomeName = str
else:
    # A type checker cannot read the values of an enum; the schemas can.
    StateName = Literal[tuple(state.value for state in State)]
    GapCauseName = Literal[tuple(cause.value for cause in HoleCause if cause is not HoleCause.NONE)]
    OutcomeName = Literal[tuple(outcome.value for outcome in Outcome)]


class LimitsJson(TypedDict):
    """What an asset can be told, MW; positive = generation, negative = consumption."""

    min_mw: float
    max_mw: float


class AssetJson(TypedDict):
    """A DER of the fleet."""

    id: Uuid
    name: Annotated[str, Meta(description="Unique in the fleet; may stand for the id.")]
    site_id: Uuid
    site_name: str
    kind: Kind
    rated_mw: Annotated[float, Meta(description="Nameplate power, MW, above 0.")]
    limits: LimitsJson
    agent_id: Annotated[
        str | None,
        Meta(description="The agent that holds it, or held it last; null if none ever did."),
    ]
    online: Annotated[bool, Meta(description="An agent holds it now.")]


class SiteAssetsJson(TypedDict):
    """How many assets a site has; each is online, stale or offline."""

    total: int
    online: Annotated[
        int, Meta(description="A connected agent holds it, and its newest sample is fresh.")
    ]
    stale: Annotated[
        int, Meta(description="A connected agent holds it; its newest sample is not fresh.")
    ]
    offline: int
    measured: Annotated[int, Meta(description="Those whose power is part of `p_mw`.")]


class SiteJson(TypedDict):
    """A place with assets behind one grid connection, as it is now."""

    id: Uuid
    name: Annotated[str, Meta(description="Unique among sites; may stand for the id.")]
    timezone: Annotated[str | None, Meta(description="IANA name, for people.")]
    assets: SiteAssetsJson
    rated_mw: Annotated[float, Meta(description="Nameplate power of all its assets, MW.")]
    p_mw: Annotated[
        float | None,
        Meta(description="Sum of what its assets do, MW, of those with a fresh sample."),
    ]
    available_up_mw: Annotated[
        float,
        Meta(ge=0, description="By how much more it could generate, or less consume, MW."),
    ]
    available_down_mw: Annotated[
        float,
        Meta(ge=0, description="By how much less it could generate, or more consume, MW."),
    ]


class AgentJson(TypedDict):
    """An agent that is connected now."""

    id: str
    site_id: Uuid | None
    asset_ids: Annotated[list[Uuid], Meta(description="Assets that its session was granted.")]
    session_id: Uuid
    connected_at: Time | None
    last_seen_at: Annotated[Time | None, Meta(description="When it said anything last.")]
    peer: Annotated[str, Meta(description="Its address and port.")]
    software_version: str
    clock_offset_s: Annotated[
        float | None, Meta(description="Its clock minus the headend's, seconds.")
    ]
    outbox_rows: Annotated[int, Meta(description="Samples that it has yet to deliver.")]
    duplicate_id: Annotated[
        bool, Meta(description="Several agents seem to use this id, and throw each other out.")
    ]


class SampleJson(TypedDict):
    """One asset at one time, as far as time does not change it."""

    asset_id: Uuid
    asset_name: str
    site_id: Uuid
    agent_id: str | None
    ts: Annotated[Time | None, Meta(description="Measured, by the agent's clock.")]
    received_at: Annotated[Time | None, Meta(description="Received, by the headend's clock.")]
    p_mw: Annotated[
        float | None,
        Meta(description="Active power, MW; positive = generation, negative = consumption."),
    ]
    q_mvar: Annotated[float | None, Meta(description="Reactive power, Mvar; positive = injected.")]
    soc: Annotated[float | None, Meta(description="State of charge, 0 to 1.")]
    voltage_v: Annotated[float | None, Meta(description="Line-to-neutral voltage, V.")]
    frequency_hz: Annotated[float | None, Meta(description="Frequency, Hz.")]
    status: Annotated[OperatingStatus | None, Meta(description="The device's operating state.")]
    quality: Annotated[list[Quality], Meta(description="Doubts about the sample.")]
    setpoint_mw: Annotated[
        float | None, Meta(description="The dispatch in force, MW; null if there is none.")
    ]


class TelemetryJson(SampleJson):
    """One asset at one time."""

    age_s: Annotated[
        float | None,
        Meta(
            description="Since it was measured, seconds; since it was received, where `clock_skew`."
        ),
    ]
    stale: Annotated[
        bool,
        Meta(
            description="Older than 10 s or 2.5 telemetry periods, whichever is longer; or not"
            " newer than the headend's start; or never sent."
        ),
    ]


class BucketJson(TypedDict):
    """An asset's active power over one step of time, MW."""

    ts: Annotated[Time | None, Meta(description="Start of the step.")]
    mean: float | None
    min: float | None
    max: float | None
    last: float | None
    count: Annotated[int, Meta(description="Samples in the step, at least 1.")]


class GapJson(TypedDict):
    """A stretch of an asset's history without samples, or one that was filled since."""

    id: str
    asset_id: Uuid
    start: Annotated[
        Time | None,
        Meta(description="The last sample before; if reported, the first that is missing."),
    ]
    end: Annotated[
        Time | None,
        Meta(
            description="The first sample after; if reported, the last that is missing."
            " Null while it lasts."
        ),
    ]
    cause: GapCauseName
    rows: Annotated[
        int | None, Meta(description="Samples that are missing, where the agent counted them.")
    ]
    backfilled: Annotated[bool, Meta(description="Samples that came later have closed it.")]
    filled_until: Annotated[Time | None, Meta(description="Up to where they have closed it.")]
    agent_id: str | None


class DeviceJson(TypedDict):
    """How an asset's device is, as its agent sees it."""

    asset_id: Uuid
    health: str


class HeartbeatJson(TypedDict):
    """How an agent was; all null where it never said."""

    agent_id: str | None
    ts: Annotated[Time | None, Meta(description="Written, by the agent's clock.")]
    received_at: Time | None
    uptime_s: Annotated[float | None, Meta(description="Since the agent's start, seconds.")]
    outbox_rows: Annotated[int | None, Meta(description="Samples that it had yet to deliver.")]
    devices: list[DeviceJson]
    age_s: Annotated[float | None, Meta(description="Since it was received, seconds.")]


class SessionJson(TypedDict):
    """One stream of one agent, from Register to its end."""

    session_id: Uuid
    agent_id: str
    connected_at: Time | None
    ended_at: Annotated[Time | None, Meta(description="null while it lives.")]
    end_reason: str | None
    clock_offset_s: Annotated[
        float | None,
        Meta(description="The agent's clock minus the headend's, when it registered, seconds."),
    ]
    peer: str
    software_version: str
    messages: int
    samples: int


class StateJson(TypedDict):
    """A state that a dispatch was in, since when, and why."""

    state: StateName
    at: Time | None
    reason: str | None
    detail: Annotated[str | None, Meta(description="The reason in words.")]


class LatencyJson(TypedDict):
    """From the order, or the window's start where that is later, milliseconds."""

    sent: float | None
    received: float | None
    started: float | None


class VerdictJson(TypedDict):
    """Whether the asset did what it was told, measured from its telemetry."""

    outcome: OutcomeName
    sent_ms: float | None
    received_ms: float | None
    started_ms: float | None
    tolerance_mw: Annotated[float, Meta(description="How near to the setpoint is reached, MW.")]
    within_tolerance_ms: Annotated[
        float | None, Meta(description="From `started` until it was first reached.")
    ]
    mean_error_mw: Annotated[
        float | None, Meta(description="Mean absolute difference from the setpoint, MW.")
    ]
    held_error_mw: Annotated[
        float | None, Meta(description="The same since the setpoint was first reached, MW.")
    ]
    covered: Annotated[float, Meta(description="Share of the time that samples cover, 0 to 1.")]
    samples: int
    final: Annotated[bool, Meta(description="No further sample is waited for.")]


class DispatchJson(TypedDict):
    """An order to one asset, and its whole life."""

    id: Uuid
    group_id: Annotated[Uuid | None, Meta(description="The order to a site that it is part of.")]
    asset_id: Uuid
    mw: Annotated[float, Meta(description="Active power to hold, MW; positive = generation.")]
    duration_s: Annotated[
        float | None, Meta(description="Length of its window; null = until replaced.")
    ]
    priority: Annotated[int, Meta(ge=0, le=255, description="The lower number wins.")]
    state: StateName
    reason: str | None
    detail: Annotated[str | None, Meta(description="The reason in words.")]
    created_at: Time | None
    start_at: Time | None
    end_at: Time | None
    expires_at: Annotated[Time | None, Meta(description="How long it may wait for its agent.")]
    applied_mw: Annotated[float | None, Meta(description="What the device was told, MW.")]
    superseded_by: Uuid | None
    suspended: Annotated[
        str | None, Meta(description="Why the device does not follow it now: LINK_SILENT.")
    ]
    interrupted_s: Annotated[
        float, Meta(description="Time of its window in which the device did not follow it.")
    ]
    cancelling: Annotated[str | None, Meta(description="Why it is being withdrawn.")]
    attempts: Annotated[int, Meta(description="How often it was sent.")]
    latency_ms: LatencyJson
    states: Annotated[list[StateJson], Meta(description="Oldest first.")]
    verdict: Annotated[VerdictJson | None, Meta(description="null while there is none.")]


class StartedJson(TypedDict):
    """How many parts have started, and when."""

    count: int
    of: int
    first_at: Time | None
    last_at: Time | None
    in_s: Annotated[float | None, Meta(description="From the order to the last start, seconds.")]


class LeftOutJson(TypedDict):
    """An asset of the site that takes no part."""

    asset_id: Uuid
    why: str


class GroupJson(TypedDict):
    """An order to a whole site, what it has come to, and its parts."""

    id: Uuid
    site_id: Uuid
    mw: float
    allocated_mw: Annotated[float, Meta(description="Held, or on its way to be, MW.")]
    shortfall_mw: Annotated[float, Meta(description="What is missing, signed as `mw`.")]
    duration_s: float | None
    priority: int
    state: StateName
    summary: Annotated[str, Meta(description="All that, in words.")]
    counts: Annotated[dict[str, int], Meta(description="Parts in each state.")]
    started: StartedJson
    created_at: Time | None
    start_at: Time | None
    end_at: Time | None
    expires_at: Time | None
    cancelling: str | None
    left_out: list[LeftOutJson]
    parts: list[DispatchJson]


EntryKind = Literal["connected", "disconnected", "superseded", "gap", "dispatch"]


class EntryJson(TypedDict):
    """Something that befell an agent; the one of the last three that it is about is not null."""

    at: Time | None
    kind: EntryKind
    summary: Annotated[str, Meta(description="What happened, in words.")]
    session: SessionJson | None
    gap: GapJson | None
    dispatch: DispatchJson | None


class FollowsJson(TypedDict):
    """What the asset does once the window has ended."""

    action: str
    mw: float | None
    dispatch_id: Uuid | None


class PreflightJson(TypedDict):
    """What would become of an order to an asset; nothing was ordered."""

    dry_run: Literal[True]
    asset_id: Uuid
    mw: float
    priority: int
    start_at: Time | None
    end_at: Time | None
    online: bool
    within_limits: bool
    limits: LimitsJson
    p_mw: float | None
    soc: float | None
    energy_mwh: Annotated[float | None, Meta(description="What the window takes, MWh.")]
    available_mwh: Annotated[float | None, Meta(description="What the battery has for it, MWh.")]
    enough_energy: bool | None
    supersedes: list[Uuid]
    gives_way_to: Uuid | None
    then: FollowsJson
    sentence: Annotated[str, Meta(description="All that, in words.")]


class FeasibleJson(TypedDict):
    """What a site can do now, MW."""

    min_mw: float
    max_mw: float


class SitePreflightJson(TypedDict):
    """What would become of an order to a site; nothing was ordered."""

    dry_run: Literal[True]
    site_id: Uuid
    mw: float
    fits: bool
    feasible: FeasibleJson | None
    left_out: list[LeftOutJson]
    parts: list[PreflightJson]
    sentence: Annotated[str, Meta(description="All that, in words.")]


class ProblemErrorJson(TypedDict):
    """One thing that is wrong, and what to write instead."""

    pointer: Annotated[
        str,
        Meta(
            description="JSON pointer (RFC 6901): into the body; `/query/NAME` and"
            " `/header/NAME` name a parameter or a header."
        ),
    ]
    detail: str


class ProblemJson(TypedDict):
    """Why a request was not answered as asked (RFC 9457)."""

    type: Annotated[str, Meta(description="Which kind of problem; a page of the documentation.")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    instance: NotRequired[
        Annotated[str, Meta(description="The path that was asked for, where one can be read.")]
    ]
    errors: list[ProblemErrorJson]


class OrderJson(TypedDict):
    """What a caller wants of an asset, or of a whole site. null counts as left out."""

    asset_id: NotRequired[
        Annotated[str | None, Meta(description="The asset's UUID or name; this or `site_id`.")]
    ]
    site_id: NotRequired[
        Annotated[str | None, Meta(description="The site's UUID or name; this or `asset_id`.")]
    ]
    mw: Annotated[
        float,
        Meta(description="The power to hold, MW; positive = generation, negative = consumption."),
    ]
    start_at: NotRequired[
        Annotated[
            Time | None,
            Meta(description="Start of the window, at most 5 s in the past; left out: now."),
        ]
    ]
    duration_s: NotRequired[
        Annotated[
            Span | None,
            Meta(description="Its length, up to seven days; left out: until replaced."),
        ]
    ]
    expires_in_s: NotRequired[
        Annotated[
            Span | None,
            Meta(
                description="How long it may wait for its agent, from the later of now"
                " and `start_at`; left out: 900."
            ),
        ]
    ]
    priority: NotRequired[Annotated[Priority | None, Meta(description="0 wins; left out: 128.")]]
    ramp_mw_per_s: NotRequired[
        Annotated[
            Annotated[float, Meta(gt=0)] | None,
            Meta(description="Greatest rate of change; left out: as fast as it can."),
        ]
    ]
    dry_run: NotRequired[
        Annotated[bool | None, Meta(description="Nothing is ordered; only what would be is told.")]
    ]


class HealthJson(TypedDict):
    """Whether the headend can do its work."""

    status: Literal["ok", "failing"]
    journal: NotRequired[Annotated[str, Meta(description="Why the journal takes no records.")]]


class CheckJson(TypedDict):
    """How one part of the headend is."""

    name: str
    status: Literal["ready", "degraded", "unready"]
    detail: str


class ReadinessJson(TypedDict):
    """Whether the headend takes records and orders: as the worst of its checks."""

    status: Literal["ready", "degraded", "unready"]
    checks: list[CheckJson]


class HelloJson(TypedDict):
    """An event stream's first event."""

    now: Time
    resumed: Annotated[
        bool,
        Meta(description="Nothing was missed since `Last-Event-ID`. Else load anew what you show."),
    ]
    telemetry_period_s: Annotated[float, Meta(description="How often assets are measured.")]
    stale_after_s: Annotated[float, Meta(description="Age above which telemetry is stale.")]


class AliveJson(TypedDict):
    """Every 10 s: the stream lives."""

    now: Time


class TelemetryEventJson(TypedDict):
    """The newest of all assets asked for, then of those that changed."""

    items: list[TelemetryJson]


class AgentEventJson(TypedDict):
    """A session began or ended."""

    at: Time | None
    agent_id: str
    change: Literal["connected", "disconnected"]
    reason: Annotated[str | None, Meta(description="Why it ended.")]
    session: SessionJson


class DispatchEventJson(TypedDict):
    """A dispatch changed."""

    at: Time | None
    dispatch: Annotated[DispatchJson, Meta(description="As it was after the change.")]


EVENT_DATA = {
    "hello": HelloJson,
    "telemetry": TelemetryEventJson,
    "agent": AgentEventJson,
    "dispatch": DispatchEventJson,
    "alive": AliveJson,
}
"""What each event of `/events` is."""
