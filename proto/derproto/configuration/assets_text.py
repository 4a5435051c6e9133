"""Writing a fleet as ``assets.yaml``."""

from dataclasses import asdict
from typing import Any

import yaml

from derproto.configuration.fleet import OWN_CONTROL, Asset, DeviceSpec, Failsafe, Fleet, Site
from derproto.configuration.kinds import plain_value

HEADER = """\
# The fleet: sites and the assets behind them, for headend, agents and launcher alike.
# Power is MW, positive = generation. An id is for ever: history hangs on it.
"""


class _Dumper(yaml.SafeDumper):
    """Quotes text that would be read back as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_value(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _number(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _site(site: Site) -> dict[str, object]:
    optional = {"timezone": site.timezone, "agent": site.agent}
    return {
        "id": site.id,
        "name": site.name,
        **{key: value for key, value in optional.items() if value is not None},
    }


def _asset(asset: Asset, site_name: str) -> dict[str, object]:
    entry: dict[str, object] = {
        "id": asset.id,
        "name": asset.name,
        "site": site_name,
        "kind": asset.kind.value,
        "rated_mw": _number(asset.rated_mw),
    }
    if asset.energy_mwh is not None:
        entry["energy_mwh"] = _number(asset.energy_mwh)
    entry["limits"] = {
        "min_mw": _number(asset.limits.min_mw),
        "max_mw": _number(asset.limits.max_mw),
    }
    if asset.default_mw is not None and (asset.default_mw != 0.0 or asset.kind in OWN_CONTROL):
        entry["default_mw"] = _number(asset.default_mw)
    if asset.tolerance_pct != 5.0:
        entry["tolerance_pct"] = _number(asset.tolerance_pct)
    if asset.failsafe != Failsafe():
        entry["failsafe"] = {
            "after_s": _number(asset.failsafe.after_s),
            "action": asset.failsafe.action.value,
        }
    if asset.agent is not None:
        entry["agent"] = asset.agent
    entry["device"] = _device(asset.device)
    if asset.response is not None:
        entry["response"] = {
            key: _number(value)
            for key, value in asdict(asset.response).items()
            if value is not None
        }
    return entry


def _device(device: DeviceSpec) -> dict[str, object]:
    options = {
        key: _number(value) if isinstance(value, float) else value
        for key, value in sorted(device.options.items())
    }
    return {"driver": device.driver, **options}


def render_fleet(fleet: Fleet) -> str:
    """The text of ``assets.yaml``, which ``load_fleet`` reads back as an equal fleet.

    The same fleet gives the same text; values equal to their defaults are left out.
    """
    content = {
        "sites": [_site(site) for site in fleet.sites.values()],
        "assets": [
            _asset(asset, fleet.sites[asset.site_id].name) for asset in fleet.assets.values()
        ],
    }
    text: str = yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=10_000,
    )
    return HEADER + text
