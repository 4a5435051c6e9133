"""Assets and sites as JSON: pure."""

from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.dispatch import SiteNow
from derhead.shapes.record_shapes.values import KindName, Uuid, number_of
from derproto.configuration.fleet import Asset, Site


class LimitsJson(TypedDict):
    """The range of an asset's setpoints, MW; positive = generation, negative = consumption."""

    min_mw: float
    max_mw: float


class AssetJson(TypedDict):
    """A DER of the fleet."""

    id: Uuid
    name: Annotated[str, Meta(description="Unique in the fleet; may stand for the id.")]
    site_id: Uuid
    site_name: str
    kind: KindName
    rated_mw: Annotated[float, Meta(description="Nameplate power, MW, above 0.")]
    limits: LimitsJson
    agent_id: Annotated[
        str | None,
        Meta(description="The agent that holds it, or held it last; null if none ever did."),
    ]
    online: Annotated[bool, Meta(description="A connected agent holds it.")]


class SiteAssetsJson(TypedDict):
    """Numbers of a site's assets; each asset is online, stale or offline."""

    total: int
    online: Annotated[
        int, Meta(description="A connected agent holds it, and its newest sample is fresh.")
    ]
    stale: Annotated[
        int, Meta(description="A connected agent holds it; its newest sample is not fresh.")
    ]
    offline: int
    measured: Annotated[int, Meta(description="Assets whose power is part of `p_mw`.")]


class SiteJson(TypedDict):
    """A place with assets behind one grid connection, as it is now."""

    id: Uuid
    name: Annotated[str, Meta(description="Unique among sites; may stand for the id.")]
    timezone: Annotated[str | None, Meta(description="IANA name, for people.")]
    assets: SiteAssetsJson
    rated_mw: Annotated[float, Meta(description="Nameplate power of all its assets, MW.")]
    p_mw: Annotated[
        float | None,
        Meta(description="Sum of its assets' power, MW, of those with a fresh sample."),
    ]
    available_up_mw: Annotated[
        float,
        Meta(ge=0, description="By how much more it could generate, or less consume, MW."),
    ]
    available_down_mw: Annotated[
        float,
        Meta(ge=0, description="By how much less it could generate, or more consume, MW."),
    ]


def asset_shape(asset: Asset, site: Site, *, agent_id: str | None, online: bool) -> AssetJson:
    """``agent_id`` is the agent that holds the asset if ``online``, else the last that held it."""
    return {
        "id": asset.id,
        "name": asset.name,
        "site_id": site.id,
        "site_name": site.name,
        "kind": asset.kind.value,
        "rated_mw": asset.rated_mw,
        "limits": {"min_mw": asset.limits.min_mw, "max_mw": asset.limits.max_mw},
        "agent_id": agent_id,
        "online": online,
    }


def site_shape(site: Site, now: SiteNow) -> SiteJson:
    return {
        "id": site.id,
        "name": site.name,
        "timezone": site.timezone,
        "assets": {
            "total": now.total,
            "online": now.online,
            "stale": now.stale,
            "offline": now.offline,
            "measured": now.measured,
        },
        "rated_mw": now.rated_mw,
        "p_mw": number_of(now.p_mw),
        "available_up_mw": now.available_up_mw,
        "available_down_mw": now.available_down_mw,
    }
