"""Tokens: created and revoked by command, checked at each request."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select

from app.core import tokens
from app.core.database import db
from app.core.tokens import Token, create_token
from tests.conftest import GOLD, Api, Shell

READ = "/api/customers/segments?document_id=1232-2323"


def api_with(app: Flask, secret: str) -> Api:
    return Api(app.test_client(), secret)


def test_it_works(app: Flask, shell: Shell, ana: str) -> None:
    secret = shell("tokens", "create", "crm-nightly").stdout.splitlines()[-1]
    api_with(app, secret).get(READ)
    shell("tokens", "revoke", "crm-nightly")
    api_with(app, secret).get(READ, status=401, code="UNAUTHENTICATED")


def test_the_token_is_the_last_line_of_stdout_and_kept_nowhere(app: Flask, shell: Shell) -> None:
    secret = shell("tokens", "create", "crm").stdout.splitlines()[-1]
    assert secret.startswith("cs_")
    token = db.session.scalars(select(Token)).one()
    assert secret not in [str(value) for value in vars(token).values()]


def test_scopes_open_only_what_they_name(app: Flask, shell: Shell, ana: str) -> None:
    read = shell("tokens", "create", "r", "--scope", "segments:read").stdout.splitlines()[-1]
    write = shell("tokens", "create", "w", "--scope", "segments:write").stdout.splitlines()[-1]
    api_with(app, read).get(READ)
    api_with(app, write).get(READ, status=403, code="FORBIDDEN")
    api_with(app, write).replace([{"document_id": ana, "segments": GOLD}])
    api_with(app, read).replace([{"document_id": ana, "segments": []}], status=403, code="FORBIDDEN")


def test_it_expires(app: Flask, shell: Shell, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = shell("tokens", "create", "t", "--expires", "90d").stdout.splitlines()[-1]
    real = tokens.now
    monkeypatch.setattr(tokens, "now", lambda: real() + timedelta(days=89, hours=23))
    api_with(app, secret).get(READ)
    monkeypatch.setattr(tokens, "now", lambda: real() + timedelta(days=90, seconds=1))
    api_with(app, secret).get(READ, status=401, code="UNAUTHENTICATED")
    assert "expired" in shell("tokens", "list").stdout


def test_the_scheme_may_be_spelled_in_any_case(app: Flask, ana: str) -> None:
    api = api_with(app, "")
    api.headers = {"Authorization": f"bEARER {create_token('t')}"}
    api.get(READ)


@pytest.mark.parametrize(
    "args", [("create", "t", "--scope", "everything"), ("create", "t", "--expires", "soon"), ("revoke", "nobody")]
)
def test_the_command_refuses(shell: Shell, args: tuple[str, ...]) -> None:
    shell("tokens", *args, exit_code=2)


def test_names_are_used_once(shell: Shell) -> None:
    shell("tokens", "create", "t")
    shell("tokens", "revoke", "t")
    assert "exists already" in shell("tokens", "create", "t", exit_code=2).stderr


def test_its_last_use_is_noted_without_a_write_per_request(app: Flask, ana: str) -> None:
    api = api_with(app, create_token("t"))
    writes = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA")):
            writes.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        for _ in range(10):
            api.get(READ)
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    db.session.rollback()
    assert db.session.scalars(select(Token.last_used_at)).one()
    assert sum("UPDATE tokens" in statement for statement in writes) == 1


def test_every_route_of_the_api_names_the_scope_that_opens_it(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api"):
            scope = vars(app.view_functions[rule.endpoint])["scope"]
            assert scope in tokens.SCOPES or rule.endpoint in ("api.openapi", "api.docs", "api.docs_asset"), rule
