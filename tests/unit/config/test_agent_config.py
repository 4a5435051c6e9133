"""deragent's settings, and who it is and what it serves under them."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import pytest

from deragent.config import AgentConfig, AgentPlan, choose_assets, load, read_config
from deragent.outbox import OutboxLimits
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.kinds import Address
from derproto.configuration.problems import ConfigError
from derproto.configuration.settings import Settings
from tests.unit.config.fleet_file import BATTERY, KEPT, NORTH, PUMP, ROOF, SOUTH, write_fleet

NO_ENV: Mapping[str, str] = {}
HEADEND = Address("127.0.0.1", 50051)


def load_config(flags: Namespace, environ: Mapping[str, str]) -> AgentConfig:
    """The settings alone, without the fleet's file. Raises: ConfigError."""
    settings = Settings("DERAGENT", vars(flags), environ)
    config = read_config(settings, environ)
    settings.finish()
    return config


def plan_for(
    tmp_path: Path,
    *,
    site: str | None = None,
    asset_names: tuple[str, ...] = (),
    agent_id: str | None = None,
) -> AgentPlan:
    path = write_fleet(tmp_path)
    config = AgentConfig(
        assets=Path("assets.yaml"),
        headend=HEADEND,
        site=site,
        asset_names=asset_names,
        agent_id=agent_id,
    )
    return choose_assets(config, load_fleet(path))


def shape(plan: AgentPlan) -> tuple[str, str | None, list[str]]:
    return plan.agent_id, plan.site_id, [asset.id for asset in plan.assets]


@pytest.mark.parametrize("site", [NORTH, NORTH.upper(), "North"])
def test_a_site_names_its_agent_and_keeps_what_is_anothers(tmp_path: Path, site: str) -> None:
    assert shape(plan_for(tmp_path, site=site)) == (NORTH, NORTH, [ROOF, BATTERY])


def test_an_agent_gets_what_is_kept_for_it(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, site="North", agent_id="other")
    assert shape(plan) == ("other", NORTH, [ROOF, BATTERY, KEPT])
    plan = plan_for(tmp_path, site="South", agent_id="south-1")
    assert shape(plan) == ("south-1", SOUTH, [PUMP])


def test_a_single_asset_names_its_agent(tmp_path: Path) -> None:
    assert shape(plan_for(tmp_path, asset_names=("Roof",))) == (ROOF, NORTH, [ROOF])
    # Named twice, by id and by name, it is still one.
    twice = plan_for(tmp_path, asset_names=(ROOF.upper(), "Roof"))
    assert shape(twice) == (ROOF, NORTH, [ROOF])


def test_several_assets_are_claimed_in_their_order_for_a_named_agent(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, asset_names=("Battery", ROOF), agent_id="a")
    assert shape(plan) == ("a", NORTH, [BATTERY, ROOF])
    plan = plan_for(tmp_path, asset_names=("Pump", "Roof"), agent_id="south-1")
    assert shape(plan) == ("south-1", None, [PUMP, ROOF])


@pytest.mark.parametrize(
    ("site", "asset_names", "agent_id", "problems"),
    [
        ("Nroth", (), None, ["site: there is no site 'Nroth' in assets.yaml; did you mean North?"]),
        (
            "Empty",
            (),
            None,
            ["site: site Empty has no assets in assets.yaml; add one, or name another site"],
        ),
        (
            "South",
            (),
            None,
            [
                f"site: assets.yaml keeps site South for agent south-1, and this agent is {SOUTH}; "
                "give --agent-id south-1, or change agent in that file"
            ],
        ),
        (
            None,
            ("Rof", "Battery", "zzz"),
            None,
            [
                "asset: there is no asset 'Rof' in assets.yaml; did you mean Roof?",
                "asset: there is no asset 'zzz' in assets.yaml; "
                "there are: Roof, Battery, Pump, Kept",
                "agent.id: missing; several assets need a name for their agent; give --agent-id ID",
            ],
        ),
        (None, ("Rof",), None, ["asset: there is no asset 'Rof' in assets.yaml; "
                                "did you mean Roof?"]),
        (
            None,
            ("Roof", "Kept", "Pump"),
            "a",
            [
                "asset: assets.yaml keeps asset Kept for agent other, and this agent is a; "
                "give --agent-id other, or change agent in that file",
                "asset: assets.yaml keeps asset Pump for agent south-1, and this agent is a; "
                "give --agent-id south-1, or change agent in that file",
            ],
        ),
    ],
)  # fmt: skip
def test_wrong_choices_are_refused(
    tmp_path: Path,
    site: str | None,
    asset_names: tuple[str, ...],
    agent_id: str | None,
    problems: list[str],
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_for(tmp_path, site=site, asset_names=asset_names, agent_id=agent_id)
    assert str(caught.value).splitlines() == problems


def test_all_keys_of_a_file(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    file = tmp_path / "deragent.yaml"
    file.write_text(
        """\
assets: assets.yaml
asset: [Roof, Battery]
agent: {id: a-1}
headend: headend.example:50051
data: state
outbox: {memory_rows: 100, rows: 1000, mb: 2, backfill_rows_s: 50}
tls: true
tls_ca: ca.pem
tls_cert: cert.pem
tls_key: key.pem
log_level: debug
events: true
""",
        encoding="utf-8",
    )
    assert load_config(Namespace(config=str(file)), NO_ENV) == AgentConfig(
        assets=tmp_path / "assets.yaml",
        asset_names=("Roof", "Battery"),
        agent_id="a-1",
        headend=Address("headend.example", 50051),
        data=tmp_path / "state",
        outbox=OutboxLimits(100, 1000, 2),
        backfill_rows_s=50,
        tls=True,
        tls_ca=tmp_path / "ca.pem",
        tls_cert=tmp_path / "cert.pem",
        tls_key=tmp_path / "key.pem",
        log_level="debug",
        events=True,
    )
    environ = {"DERAGENT_AGENT_ID": "a-2", "DERAGENT_EVENTS": "0"}
    config = load_config(Namespace(config=str(file), agent_id="a-3"), environ)
    assert (config.agent_id, config.events) == ("a-3", False)
    assert load_config(Namespace(config=str(file)), environ).agent_id == "a-2"


def test_the_higher_source_chooses_between_site_and_asset() -> None:
    flags = Namespace(assets="a", headend="h:1", asset=["x", "y, z"])
    config = load_config(flags, {"DERAGENT_SITE": "North"})
    assert (config.site, config.asset_names) == (None, ("x", "y, z"))
    flags = Namespace(assets="a", headend="h:1", site="North")
    config = load_config(flags, {"DERAGENT_ASSET": "x, y"})
    assert (config.site, config.asset_names) == ("North", ())
    flags = Namespace(assets="a", headend="h:1")
    assert load_config(flags, {"DERAGENT_ASSET": "x, y"}).asset_names == ("x", "y")
    with pytest.raises(ConfigError) as caught:
        load_config(flags, {"DERAGENT_ASSET": "x, y", "DERAGENT_SITE": "North"})
    assert str(caught.value) == "DERAGENT_ASSET: site is given too; keep one of site and asset"


def test_missing_settings_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Namespace(), NO_ENV)
    assert str(caught.value).splitlines() == [
        "--assets: missing; give it, set DERAGENT_ASSETS, or write assets in the --config file",
        "--site or --asset: missing; give it, set DERAGENT_SITE or DERAGENT_ASSET, "
        "or write site or asset in the --config file",
        "--headend: missing; give it, set DERAGENT_HEADEND, or write headend in the --config file",
    ]


def test_tls_follows_from_its_files_and_cannot_contradict_them(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    flags = Namespace(assets="a", site="s", headend="h:1")
    assert not load_config(flags, NO_ENV).tls
    assert load_config(flags, {"DERAGENT_TLS": "1"}).tls
    environ = {"DERAGENT_TLS_CA": str(ca)}
    assert load_config(flags, environ).tls
    with pytest.raises(ConfigError) as caught:
        load_config(flags, {**environ, "DERAGENT_TLS": "false", "DERAGENT_TLS_CERT": str(ca)})
    assert str(caught.value).splitlines() == [
        "DERAGENT_TLS_CERT: it needs tls_key; give both or neither",
        "DERAGENT_TLS: false, yet tls_ca, tls_cert or tls_key is given; "
        "write true, or remove those",
    ]


def test_keys_within_agent_are_known_even_under_a_flag(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("agent: {di: x, id: a b}\nagents: 1\n", encoding="utf-8")
    flags = Namespace(config=str(file), assets="a", site="s", headend="h:1", agent_id="x")
    with pytest.raises(ConfigError) as caught:
        load_config(flags, NO_ENV)
    assert str(caught.value).splitlines() == [
        f"{file}:1: agent.di: unknown key; there are: id",
        f"{file}:2: agents: unknown key; did you mean agent?",
    ]
    file.write_text("agent: me\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(flags, NO_ENV)
    assert str(caught.value) == (
        f"{file}:1: agent: the text 'me' is not a mapping; write keys with values"
    )


def test_a_choice_that_fails_is_told_under_its_source(tmp_path: Path) -> None:
    assets = write_fleet(tmp_path)
    file = tmp_path / "f"
    file.write_text("headend: h:1\n\nsite: Nrth\n", encoding="utf-8")
    flags = Namespace(config=str(file), assets=str(assets))
    with pytest.raises(ConfigError) as caught:
        load(flags, {"DERAGENT_OUTBOX_ROWS": "0"})
    assert str(caught.value).splitlines() == [
        "DERAGENT_OUTBOX_ROWS: 0 is out of range; write a whole number from 1 to 100000000",
        f"{file}:3: site: there is no site 'Nrth' in {assets}; did you mean North?",
    ]
    config, plan = load(flags, {"DERAGENT_SITE": "North"})
    assert (config.site, plan.agent_id) == ("North", NORTH)


@pytest.mark.parametrize(
    ("headend", "text", "mode", "more", "problem"),
    [
        ("127.0.0.1:1", "t0ken", 0o600, {}, None),
        ("headend.example:1", "t0ken", 0o400, {"DERAGENT_TLS": "true"}, None),
        ("headend.example:1", "t0ken", 0o600, {}, "in cleartext; give tls_ca, or tls: true"),
        (
            "127.0.0.1:1",
            "t0ken",
            0o644,
            {},
            r"token: other users .* have access \(mode 0644\); run chmod",
        ),
        ("127.0.0.1:1", "two words", 0o600, {}, "is not one token; write the token there"),
        ("127.0.0.1:1", None, 0, {}, "there is no file"),
    ],
)
def test_a_token_is_one_and_private_and_never_goes_in_cleartext(
    tmp_path: Path,
    headend: str,
    text: str | None,
    mode: int,
    more: dict[str, str],
    problem: str | None,
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    flags = Namespace(assets="f.yaml", site="North", headend=headend, token_file=str(file))
    if problem is None:
        assert load_config(flags, more).token_file == file
        return
    with pytest.raises(ConfigError, match=problem):
        load_config(flags, more)


def test_under_systemd_the_token_is_a_credential(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    (tmp_path / "token").chmod(0o400)
    flags = Namespace(assets="f.yaml", site="North", headend="127.0.0.1:1")
    found = load_config(flags, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.token_file == tmp_path / "token"
