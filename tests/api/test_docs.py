"""docs/api.md: every call in it works as it stands there, and is answered as it stands there."""

import gzip
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.api import blueprint
from app.core.models.customers import PROFILE_FIELD_NAMES
from bench.servers.gunicorn import ROOT
from tests.support.clients import Shell
from tests.support.customers import add_customers

GUIDE = (ROOT / "docs" / "api.md").read_text()
HOST = "http://segments.test"


class Reader:
    """Runs the commands of the guide in a shell and compares their output with the guide."""

    def __init__(self, app: Flask, shell: Shell) -> None:
        self.app, self.shell, self.folder = app, shell, shell.folder
        self.variables = {"URL": HOST}
        self.response: TestResponse | None = None
        self.calls = 0

    def run(self, command: str) -> None:
        variable, flask = re.fullmatch(r"(?:(\w+)=\$\()?(.*?)\)?", command, re.DOTALL).groups()  # type: ignore[union-attr]
        if variable and flask.startswith("date "):
            self.variables[variable] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        elif variable:
            arguments = shlex.split(flask.removeprefix(".venv/bin/flask "))
            self.variables[variable] = self.shell(*arguments).stdout.splitlines()[-1]
        elif command.startswith("gzip "):
            (self.folder / "night.json.gz").write_bytes(gzip.compress((self.folder / "night.json").read_bytes()))
        else:
            self.curl(shlex.split(Template(command.replace("\\\n", "")).substitute(self.variables)))

    def curl(self, arguments: list[str]) -> None:
        assert arguments.pop(0) == "curl"
        method, url, body, headers = "GET", "", None, {}
        while arguments:
            argument = arguments.pop(0)
            if argument == "-X":
                method = arguments.pop(0)
            elif argument == "-H":
                name, value = arguments.pop(0).split(": ", 1)
                headers[name] = value
            elif argument == "-d":
                body = arguments.pop(0).encode()
            elif argument == "--data-binary":
                body = (self.folder / arguments.pop(0).removeprefix("@")).read_bytes()
            else:
                url = argument
        self.calls += 1
        path = url.removeprefix(HOST)
        self.response = self.app.test_client().open(path, method=method, headers=headers, data=body)
        self.variables["CHANGE_SET"] = self.response.headers.get("Change-Set", "")
        self.variables["JOB"] = str((self.response.json or {}).get("id"))
        self.variables["NEXT"] = str((self.response.json or {}).get("next"))

    def read(self, text: str, info: str) -> None:
        """A file, or the response to the last call, with its status unless that is 200."""
        if info.endswith(".json"):
            (self.folder / info).write_text(text)
            return
        assert self.response is not None
        assert self.response.status_code == int(info or 200), self.response.text
        documented = json.loads(text)
        assert masked(documented, self.response.json) == documented
        self.response = None


def masked(documented: Any, real: Any) -> Any:
    """Return `real` with … wherever the guide has … for a text, and without empty fields that a profile got later."""
    if documented == "…" and isinstance(real, str):
        return documented
    if isinstance(documented, dict) and isinstance(real, dict):
        known = {name: value for name, value in real.items() if name in documented or not is_empty_field(name, value)}
        return {name: masked(documented.get(name), value) for name, value in known.items()}
    if isinstance(documented, list) and isinstance(real, list) and len(documented) == len(real):
        return [masked(*pair) for pair in zip(documented, real, strict=True)]
    return real


def is_empty_field(name: str, value: Any) -> bool:
    return name in PROFILE_FIELD_NAMES and value is None


def test_every_call_has_the_documented_response(app: Flask, shell: Shell) -> None:
    add_customers("1232-2323", name="Ana Gómez", email="ana@example.com")
    add_customers("4711")
    reader = Reader(app, shell)
    blocks = re.findall(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    for language, info, text in blocks:
        if language == "sh":
            assert reader.response is None, "every call is followed by its response"
            reader.run(text.strip())
        else:
            reader.read(text, info)
    assert reader.response is None
    assert reader.calls == GUIDE.count("\ncurl ") >= 15


def test_table_lists_every_error() -> None:
    documented = {(int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", GUIDE, re.MULTILINE)}
    declared = {error for operation in blueprint.operations.values() for error in operation.errors}
    assert documented == {(error.status, error.code) for error in declared}


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_readme_links_to_the_guide(name: str) -> None:
    assert "docs/api.md" in Path(ROOT / name).read_text()
