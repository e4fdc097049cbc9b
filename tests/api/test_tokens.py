"""Tokens: created and revoked by command, checked on each request."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from app.access import api_tokens, token_rules
from app.access.api_tokens import ApiToken, create_token
from app.core.database import db
from tests.support.clients import Shell, api_with
from tests.support.customers import GOLD
from tests.support.query_log import capture_queries

READ = "/api/customers/segments?document_id=1232-2323"


def test_created_token_works_until_revoked(app: Flask, shell: Shell, ana: str) -> None:
    secret = shell("tokens", "create", "crm-nightly").stdout.splitlines()[-1]
    api_with(app, secret).get(READ)
    shell("tokens", "revoke", "crm-nightly")
    api_with(app, secret).get(READ, status=401, code="UNAUTHENTICATED")


def test_secret_is_the_last_line_of_stdout_and_not_stored(app: Flask, shell: Shell) -> None:
    secret = shell("tokens", "create", "crm").stdout.splitlines()[-1]
    assert secret.startswith("cs_")
    token = db.session.scalars(select(ApiToken)).one()
    assert secret not in [str(value) for value in vars(token).values()]


def test_scope_allows_only_its_operations(app: Flask, shell: Shell, ana: str) -> None:
    read = shell("tokens", "create", "r", "--scope", "segments:read").stdout.splitlines()[-1]
    write = shell("tokens", "create", "w", "--scope", "segments:write").stdout.splitlines()[-1]
    api_with(app, read).get(READ)
    api_with(app, write).get(READ, status=403, code="FORBIDDEN")
    api_with(app, write).replace([{"document_id": ana, "segments": GOLD}])
    api_with(app, read).replace([{"document_id": ana, "segments": []}], status=403, code="FORBIDDEN")


def test_token_expires(app: Flask, shell: Shell, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = shell("tokens", "create", "t", "--expires", "90d").stdout.splitlines()[-1]
    real = token_rules.now
    monkeypatch.setattr(token_rules, "now", lambda: real() + timedelta(days=89, hours=23))
    api_with(app, secret).get(READ)
    monkeypatch.setattr(token_rules, "now", lambda: real() + timedelta(days=90, seconds=1))
    api_with(app, secret).get(READ, status=401, code="UNAUTHENTICATED")
    assert "expired" in shell("tokens", "list").stdout


def test_scheme_is_case_insensitive(app: Flask, ana: str) -> None:
    api = api_with(app, "")
    api.headers = {"Authorization": f"bEARER {create_token('t')}"}
    api.get(READ)


@pytest.mark.parametrize(
    "args",
    [
        ("create", "t", "--scope", "everything"),
        ("create", "t", "--expires", "soon"),
        ("create", "t", "--allow", "10.0.0.1/8"),
        ("revoke", "nobody"),
    ],
)
def test_invalid_arguments_exit_with_2(shell: Shell, args: tuple[str, ...]) -> None:
    shell("tokens", *args, exit_code=2)


def test_names_cannot_be_reused(shell: Shell) -> None:
    shell("tokens", "create", "t")
    shell("tokens", "revoke", "t")
    assert "exists already" in shell("tokens", "create", "t", exit_code=2).stderr


def test_last_use_is_recorded_at_most_once_a_minute(app: Flask, ana: str) -> None:
    api = api_with(app, create_token("t"))
    with capture_queries() as statements:
        for _ in range(10):
            api.get(READ)
    db.session.rollback()
    assert db.session.scalars(select(ApiToken.last_used_at)).one()
    assert sum("UPDATE tokens" in statement for statement in statements) == 1


def test_every_route_requires_a_scope(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api"):
            scope = vars(app.view_functions[rule.endpoint])["scope"]
            assert (scope and {*scope.split(" or ")} <= {*api_tokens.SCOPES}) or rule.endpoint in (
                "api.openapi",
                "api.docs",
                "api.docs_asset",
            ), rule


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["203.0.113.7"], "203.0.113.7", True),
        (["203.0.113.7"], "203.0.113.8", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "203.0.113.9", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["10.0.0.0/8", "2001:db8::/32"], "2001:db8:1::1", True),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "unix:", False),
    ],
)
def test_token_is_accepted_from_its_networks_only(
    app: Flask, shell: Shell, ana: str, networks: list[str], address: str, allowed: bool
) -> None:
    allow = [part for network in networks for part in ("--allow", network)]
    secret = shell("tokens", "create", "t", *allow).stdout.splitlines()[-1]
    response = app.test_client().get(
        READ, headers={"Authorization": f"Bearer {secret}"}, environ_overrides={"REMOTE_ADDR": address}
    )
    assert response.status_code == (200 if allowed else 403)
    if not allowed:
        error = (response.json or {})["error"]
        assert error["code"] == "FORBIDDEN"
        assert not any(network in response.text for network in networks)


def test_address_is_taken_from_a_trusted_proxy(app: Flask, ana: str) -> None:
    secret = create_token("t", networks=["203.0.113.0/24"])
    headers = {"Authorization": f"Bearer {secret}", "X-Forwarded-For": "203.0.113.9"}
    assert app.test_client().get(READ, headers=headers).status_code == 403, "no proxy is trusted"
    environ = {
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": "only-for-tests-0123456789",
        "TRUSTED_PROXIES": "1",
    }
    proxied = create_app(environ)
    assert proxied.test_client().get(READ, headers=headers).status_code == 200
    with proxied.app_context():
        db.engine.dispose()
