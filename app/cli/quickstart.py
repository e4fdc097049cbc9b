"""flask quickstart: what `make run` says before it serves."""

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
    """Print where the service is, how to sign in, and a first call; fill an empty embedded database with the demo."""
    address = "http://{HOST}:{PORT}".format_map(current_app.config)
    click.echo(f"\nCustomer Segments: {address}\n")
    keys = _first_run_credentials() if current_app.config["EMBEDDED"] else None
    if keys is None:
        click.echo("Sign in:  .venv/bin/flask operators create EMAIL --role admin")
        click.echo("Call:     .venv/bin/flask tokens create NAME\n")
        return
    click.echo(f"Sign in as {EMAIL} with the password {keys['password']}\n")
    click.echo("Replace the segments of a customer:\n")
    click.echo(f"{_curl(address, keys['token'])}\n")


def _first_run_credentials() -> dict[str, Any] | None:
    """The sign-in and token made at the first start; kept in `instance/`, readable by its owner alone.

    None in a database that somebody filled otherwise.
    """
    kept = Path(current_app.instance_path) / "first-steps.json"
    if kept.exists():
        keys: dict[str, Any] = orjson.loads(kept.read_bytes())
        if authenticate_token(keys["token"]):
            return keys
    if has_customers():
        return None
    fill_demo(5_000, lambda _done: None)
    keys = {"password": secrets.token_urlsafe(9), "token": create_token(TOKEN)}
    create_operator(EMAIL, "admin", keys["password"])
    kept.touch(mode=0o600)
    kept.write_bytes(orjson.dumps(keys))
    return keys


def _curl(address: str, token: str) -> str:
    # The document's own example: only the first of the two exists, and stands in the answer.
    segments = [{"type": "affiliation", "value": "NEW_CUSTOMER"}, {"type": "membership", "value": "GOLD"}]
    customers = [{"document_id": document_id, "segments": segments} for document_id in (EXAMPLE, "222-133")]
    body = orjson.dumps({"customers": customers}).decode()
    return (
        f"curl -X POST {address}/api/v3/customers/segments \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )
