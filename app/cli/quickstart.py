"""flask quickstart: `make run` prints its output before it starts the server."""

import secrets
from pathlib import Path
from typing import Any

import click
import orjson
from flask import current_app

from app.access.api_tokens import authenticate_token, create_token
from app.access.operators import create_operator
from app.cli.terminal import reports_errors
from app.core.models.customers import has_customers
from app.demo_data import EXAMPLE, fill_demo

EMAIL, TOKEN = "admin@example.com", "first-steps"


@click.command("quickstart")
@reports_errors
def quickstart() -> None:
    """Print the address, a sign-in and a first API call; fill an empty embedded database with the demo."""
    address = "http://{HOST}:{PORT}".format_map(current_app.config)
    click.echo(f"\nCustomer Segments: {address}\n")
    credentials = _first_run_credentials() if current_app.config["EMBEDDED"] else None
    if credentials is None:
        click.echo("Sign in:  .venv/bin/flask operators create EMAIL --role admin")
        click.echo("Call:     .venv/bin/flask tokens create NAME\n")
        return
    click.echo(f"Sign in as {EMAIL} with the password {credentials['password']}\n")
    click.echo("Try the API:\n")
    click.echo(f"{_curl(address, credentials['token'])}\n")


def _first_run_credentials() -> dict[str, Any] | None:
    """Return the password and token of the first start, which `instance/` stores with access for its owner only.

    None if the database has customers but not from the demo.
    """
    path = Path(current_app.instance_path) / "first-steps.json"
    if path.exists():
        credentials: dict[str, Any] = orjson.loads(path.read_bytes())
        if authenticate_token(credentials["token"]):
            return credentials
    if has_customers():
        return None
    fill_demo(5_000, lambda _done: None)
    credentials = {"password": secrets.token_urlsafe(9), "token": create_token(TOKEN)}
    create_operator(EMAIL, "admin", credentials["password"])
    path.touch(mode=0o600)
    path.write_bytes(orjson.dumps(credentials))
    return credentials


def _curl(address: str, token: str) -> str:
    # The example of contract §1: only the first of the two customers exists, so the response names only the first.
    segments = [{"type": "affiliation", "value": "NEW_CUSTOMER"}, {"type": "membership", "value": "GOLD"}]
    customers = [{"document_id": document_id, "segments": segments} for document_id in (EXAMPLE, "222-133")]
    body = orjson.dumps({"customers": customers}).decode()
    return (
        f"curl -X POST {address}/api/v3/customers/segments \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )
