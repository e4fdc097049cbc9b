"""Clients of the application under test: an HTTP client, an API client that checks every answer, and a shell."""

from contextvars import Context
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class IsolatedClient(FlaskClient):
    """Runs each request in a context of its own, as on a server: nothing is left in `g` or a session."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **{**kwargs, "buffered": True})


class Api:
    """Calls the API with a token, and checks what every answer of it must have."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, url: str, *, status: int = 200, code: str | None = None, **kwargs: Any) -> TestResponse:
        headers = {**self.headers, **kwargs.pop("headers", {})}
        response = self.client.open(url, method=method, headers=headers, **kwargs)
        assert response.status_code == status, response.text
        assert response.headers["X-Request-Id"]
        if status >= 400:
            assert response.json is not None
            assert response.json.keys() == {"error"}
            assert response.json["error"].keys() == {"code", "message", "details"}
            assert response.json["error"]["code"] == code
        return response

    def get(self, url: str, **kwargs: Any) -> TestResponse:
        return self.call("GET", url, **kwargs)

    def replace(self, customers: Any, query: str = "", **kwargs: Any) -> TestResponse:
        return self.call("POST", f"/api/v3/customers/segments{query}", json={"customers": customers}, **kwargs)

    def updated(self, customers: Any) -> list[str]:
        response = self.replace(customers)
        assert response.json is not None
        return response.json["updatedCustomers"]  # type: ignore[no-any-return]


def api_with(app: Flask, secret: str) -> Api:
    """Return an API client with this token."""
    return Api(app.test_client(), secret)


class Shell:
    """Runs `flask …` in a folder of its own."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder = app, folder

    def __call__(self, *args: str, exit_code: int = 0, stdin: str | bytes | None = None) -> Result:
        result = self.app.test_cli_runner().invoke(args=list(args), input=stdin)
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)
