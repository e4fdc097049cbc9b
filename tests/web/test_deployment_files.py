"""The files in deploy/ fit the service: metrics, settings and commands that they name exist."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from app.settings import SETTINGS
from bench.servers.gunicorn import ROOT
from tests.support.clients import Api
from tests.support.customers import GOLD

DEPLOY = ROOT / "deploy"
WITH_REPLICA = {"replica_up", "replica_lag_seconds", "replica_reads_total"}  # shown in tests/core/test_replica.py
SETTING_NAMES = {setting.name for setting in SETTINGS}


def expressions(node: Any) -> list[str]:
    """Return all values of `expr` in a document."""
    if isinstance(node, dict):
        own = [node["expr"]] if isinstance(node.get("expr"), str) else []
        return own + [expression for value in node.values() for expression in expressions(value)]
    return [expression for value in node for expression in expressions(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("name", ["alerts.yaml", "grafana-dashboard.json"])
def test_alerts_and_dashboard_use_existing_metrics(app: Flask, api: Api, ana: str, name: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}])
    exposed = {line.partition("{")[0].partition(" ")[0] for line in app.test_client().get("/metrics").text.splitlines()}
    used = set()
    for expression in expressions(yaml.safe_load((DEPLOY / name).read_text())):
        assert expression.count("(") == expression.count(")")
        used |= set(re.findall(r"\b([a-z_]+)\{", expression))
    assert used
    assert used - exposed <= {"up"} | WITH_REPLICA


def test_the_dashboard_places_each_panel_once() -> None:
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len({panel["id"] for panel in panels}) == len(panels)


def test_compose_sets_existing_settings_and_commands(app: Flask) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(services["service"]["environment"]) <= SETTING_NAMES
    assert services["service"]["read_only"]
    assert services["migrate"]["command"] == [".venv/bin/flask", "db", "upgrade"]


def test_the_environment_example_has_existing_settings() -> None:
    names = re.findall(r"^([A-Z_]+)=", (DEPLOY / "service.env.example").read_text(), re.MULTILINE)
    assert names
    assert set(names) <= SETTING_NAMES


def test_the_image_has_all_files_and_runs_as_an_ordinary_user(tmp_path: Path) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    *_, last_user = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert last_user not in ("root", "0")
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()
    # The last step of the build, in a folder with the copied files only.
    for name in ("app", "wsgi.py"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(tmp_path)], check=True)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "app", "wsgi.py"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("name", ["customer-segments.service", "customer-segments-pick-up.service"])
def test_the_units_restrict_the_service(name: str) -> None:
    unit = (DEPLOY / name).read_text()
    for restriction in (
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=\n",
        "User=customer-segments",
    ):
        assert restriction in unit


def test_the_timer_runs_an_existing_command(app: Flask) -> None:
    unit = (DEPLOY / "customer-segments-pick-up.service").read_text()
    (arguments,) = re.findall(r"^ExecStart=\S+/flask (.+)$", unit, re.MULTILINE)
    result = app.test_cli_runner().invoke(args=[*arguments.split(), "--help"])
    assert result.exit_code == 0


def test_the_guide_names_existing_settings_and_files() -> None:
    guide = (ROOT / "docs" / "deployment.md").read_text()
    links = re.findall(r"\]\((\.\./[^)#]+)", guide)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    settings = set(re.findall(r"^    ([A-Z_]+)=", guide, re.MULTILINE))
    assert settings <= SETTING_NAMES
