"""flask doctor: what it checks, and what it says."""

from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask

from app.core.database import now
from app.core.dialects.diagnostics import ServerFacts
from tests.support.clients import Shell
from tests.support.databases import app_on


def test_a_sound_service_has_exit_code_0(app: Flask, shell: Shell) -> None:
    output = shell("doctor").stdout
    assert "ok    schema: newest" in output
    assert "ok    encoding: UTF8" in output
    assert "error" not in output


def test_a_missing_schema_and_open_permissions_are_errors(tmp_path: Path) -> None:
    with app_on(f"sqlite:///{tmp_path / 'new.db'}") as app:
        (tmp_path / "new.db").chmod(0o644)
        output = Shell(app, tmp_path)("doctor", exit_code=1).stdout
    assert "error schema: older or missing\n      Run: flask db upgrade" in output
    assert f"Run: chmod 600 {tmp_path / 'new.db'}" in output


def test_a_database_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    with app_on("postgresql://127.0.0.1:1/none") as app:
        assert "Start the database" in Shell(app, tmp_path)("doctor", exit_code=1).stdout


def test_properties_of_the_server_are_checked(app: Flask, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = ServerFacts("PostgreSQL 15", "LATIN1", "C", now() - timedelta(seconds=60), read_only=True, direct=False)
    monkeypatch.setattr(import_module("app.cli.doctor"), "server_facts", lambda _connection: facts)
    output = shell("doctor", exit_code=1).stdout
    for remedy in ("ENCODING 'UTF8'", "primary server", "by NTP"):
        assert remedy in output


@pytest.mark.parametrize("setting", ["TRUSTED_PROXIES", "HOST"])
def test_a_public_service_needs_trusted_hosts(
    app: Flask, shell: Shell, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setitem(app.config, setting, {"TRUSTED_PROXIES": 1, "HOST": "0.0.0.0"}[setting])
    assert "note  TRUSTED_HOSTS: any" in shell("doctor").stdout
    monkeypatch.setitem(app.config, "TRUSTED_HOSTS", ["segments.example.com"])
    assert "ok    TRUSTED_HOSTS: segments.example.com" in shell("doctor").stdout
