"""A headend that asks for tokens: made and revoked while it runs."""

import hashlib
import json
import os
import pwd
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.support.access import bearer
from tests.support.certificates import TestAuthority
from tests.support.fleets import BATTERY, LOAD, SITE, SOLAR, fleet
from tests.support.processes.world import FAST, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def command(file: Path, *arguments: str) -> str:
    """``derhead token`` on that file; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "derhead", "token", *arguments],
        env={**os.environ, "DERHEAD_TOKENS": str(file)},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


def test_tokens_are_made_and_revoked_under_a_running_headend(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    operator = command(file, "add", "operator", "--role", "operator")
    local = command(file, "add", "local", "--role", "operator", "--site", "mesa")
    with running(tmp_path, fleet(), {"tokens": str(file)}) as world:
        headend = world.start_headend()
        assert world.ask("GET", "/assets").status_code == 401
        assert world.ask("GET", "/telemetry").status_code == 401
        order = {"asset_id": BATTERY, "mw": 0.5, "duration_s": 60}
        taken = world.ask("POST", "/dispatch", headers=bearer(operator), json=order)
        assert taken.status_code == 201
        viewer = command(file, "add", "viewer", "--role", "viewer")

        def status(token: str, method: str = "GET", path: str = "/telemetry") -> int:
            return world.ask(method, path, headers=bearer(token)).status_code

        eventually("the new token counts", lambda: status(viewer) == 200)
        assert status(viewer, "DELETE", f"/dispatch/{taken.json()['id']}") == 403
        for body in ({"asset_id": "battery", "mw": 99}, {"asset_id": "elsewhere", "mw": 1}):
            world.ask("POST", "/dispatch", headers=bearer(local), json=body)

        def refusals(token: str) -> list[tuple[str | None, str | None]]:
            path = "/audit?action=order_refused,access_refused"
            items = world.ask("GET", path, headers=bearer(token)).json()["items"]
            return [(each["target"], each["site_id"]) for each in items]

        seen = [("elsewhere", SITE), (BATTERY, SITE)]
        # The viewer, of all sites, also sees its own withdrawal, which its role does not allow.
        whole = [*seen, (taken.json()["id"], None)]
        eventually("each sees the refusals of its sites", lambda: refusals(local) == seen)
        assert refusals(viewer)[:3] == whole
        command(file, "revoke", "operator")
        eventually("the revoked one does not", lambda: status(operator) == 401)
        assert status(viewer) == 200
        assert "event=reloaded what=tokens" in headend.text()
        told = world.ask("GET", "/audit?action=token_change", headers=bearer(viewer))
        revoked, added, *at_first_start = told.json()["items"]
        assert {each["target"] for each in at_first_start} == {"operator", "local"}
        assert (revoked["target"], added["target"]) == ("operator", "viewer")
        by = pwd.getpwuid(os.getuid()).pw_name
        at = revoked["after"]["revoked"]
        assert revoked["after"] == {**revoked["before"], "revoked": at, "revoked_by": by}
        assert (added["before"], added["after"]["role"]) == (None, "viewer")
        for secret in (operator, viewer):
            assert hashlib.sha256(secret.encode()).hexdigest()[:16] not in told.text
            assert secret not in told.text
        private = tmp_path / "private.token"
        command(file, "add", "private", "--role", "viewer", "--output", str(private))
        eventually("it counts too", lambda: status(private.read_text().strip()) == 200)
        asked = ["-m", "derhead", "status", "--headend", world.base, "--token-file"]
        subprocess.run([sys.executable, *asked, private], check=True)
        assert headend.stop() == 0
        command(file, "add", "late", "--role", "viewer")
        command(file, "revoke", "local")
        again = world.start_headend()

        def newest() -> set[tuple[str, str]]:
            told = world.ask("GET", "/audit?action=token_change&limit=2", headers=bearer(viewer))
            return {(each["target"], each["detail"]) for each in told.json()["items"]}

        how = f"in the file of tokens by {by}; noticed when the headend began to serve"
        expected = {("late", f"added {how}"), ("local", f"revoked {how}")}
        eventually("the start tells of both", lambda: newest() == expected)
        assert 'event="tokens changed before the start"' in again.text()
        assert again.stop() == 0
        for token in (operator, viewer):
            assert token not in headend.text() + again.text()


def test_agents_come_in_by_certificate_or_by_token(tmp_path: Path) -> None:
    authority = TestAuthority.make(tmp_path / "tls")
    authority.write_server()
    authority.write_agent("mesa")
    tokens, secret = tmp_path / "tokens.yaml", tmp_path / "solar.token"
    command(tokens, "add", SOLAR, "--role", "agent", "--output", str(secret))
    admin = command(tokens, "add", "admin", "--role", "admin")
    settings = {
        "tls_cert": str(authority.folder / "server.pem"),
        "tls_key": str(authority.folder / "server.key"),
        "tls_client_ca": str(authority.ca),
        "tokens": str(tokens),
        "agent_tokens": True,
        **FAST,
    }
    by_certificate = tmp_path / "mesa.yaml"
    stem = authority.folder / "mesa"
    by_certificate.write_text(
        f"tls_ca: {authority.ca}\ntls_cert: {stem}.pem\ntls_key: {stem}.key\n"
    )
    by_token = tmp_path / "token.yaml"
    by_token.write_text(f"tls_ca: {authority.ca}\ntoken_file: {secret}\n")
    with running(tmp_path / "world", fleet(), settings, trust=authority.ca) as world:
        headend = world.start_headend()
        mesa = world.start_agent(BATTERY, "--agent-id", "mesa", "--config", by_certificate)
        world.start_agent(SOLAR, "--config", by_token)
        stranger = world.start_agent(LOAD, "--config", by_token)

        def online() -> set[str]:
            agents = world.ask("GET", "/agents", headers=bearer(admin)).json()["items"]
            return {asset for agent in agents for asset in agent["asset_ids"]}

        eventually("both are online", lambda: online() == {BATTERY, SOLAR})
        eventually(
            "a token of another is refused", lambda: "for whom the token is" in stranger.text()
        )
        command(tokens, "revoke", SOLAR)
        eventually("it is out without its token", lambda: online() == {BATTERY})
        assert secret.read_text().strip() not in headend.text() + stranger.text()

        # A restart forgets nobody: a token that is good for mesa does not do any more.
        assert (mesa.stop(), headend.stop()) == (0, 0)
        world.start_headend()
        secret.unlink()
        fleet_token = ("fleet", "--role", "agent", "--agent", "*", "--output", str(secret))
        command(tokens, "add", *fleet_token)
        pretender = world.start_agent(BATTERY, "--agent-id", "mesa", "--config", by_token)
        eventually(
            "it is refused", lambda: "mesa has shown a certificate before" in pretender.text()
        )
        assert pretender.stop() == 0
        world.start_agent(BATTERY, "--agent-id", "mesa", "--config", by_certificate)
        eventually("the agent itself comes in", lambda: BATTERY in online())


def test_jwts_of_an_issuer_are_accepted(tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048, {"kid": "one"})
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    oidc = {"issuer": "https://login.example", "audience": "derhead", "jwks_file": str(keys)}

    def sign(audience: str) -> str:
        claims = {"iss": oidc["issuer"], "aud": audience, "sub": "ann", "role": "viewer"}
        until = datetime.now(UTC) + timedelta(minutes=5)
        return jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, "exp": until}, key)

    with running(tmp_path, fleet(), {"oidc": oidc}) as world:
        world.start_headend()
        for audience, status in (("derhead", 200), ("other", 401)):
            answer = world.ask("GET", "/login", headers=bearer(sign(audience)))
            assert answer.status_code == status
        assert world.ask("GET", "/assets").status_code == 401
