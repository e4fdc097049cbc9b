"""flask tokens …"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import click
from flask.cli import AppGroup

from app.access.api_tokens import (
    DEFAULT_SCOPES,
    SCOPES,
    create_token,
    get_token_by_name,
    list_tokens,
    update_token,
)
from app.cli.terminal import duration, pluralize, print_message, reports_errors
from app.core.changes.guard import Guard
from app.jobs.revoked_tokens import revoke_token

tokens = AppGroup("tokens", help="Create, change, list and revoke API tokens.")


Command = TypeVar("Command", bound=Callable[..., Any])

GUARD_OPTIONS = (
    click.option("--guard-customers", type=click.IntRange(0), help="Stop requests that empty more customers."),
    click.option("--guard-percent", type=click.IntRange(0, 100), help="The limit in percent of the customers sent."),
    click.option("--guard-floor", type=click.IntRange(0), help="Never stop or warn of requests that empty at most N."),
    click.option("--guard-warn-customers", type=click.IntRange(0), help="Apply and report requests that empty more."),
    click.option("--guard-warn-percent", type=click.IntRange(0, 100), help="The warning level in percent."),
    click.option(
        "--guard-action",
        type=click.Choice(("refuse", "hold")),
        help="Refuse what the guard stops (default), or hold it until an operator approves it.",
    ),
)


def guard_options(command: Command) -> Command:
    """Add the options for the guard of a token."""
    for option in reversed(GUARD_OPTIONS):
        command = option(command)
    return command


def _guard(limits: dict[str, Any], current: Guard) -> Guard:
    """Return the current guard with the limits of the options that are given."""
    given = {name.removeprefix("guard_"): value for name, value in limits.items() if value is not None}
    action = given.pop("action", None)
    return replace(current, **given, **({} if action is None else {"holds": action == "hold"}))


@tokens.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="Repeatable (default: all but customers:erase and webhooks:write).",
)
@click.option("--expires", callback=duration, metavar="90d", help="Default: never.")
@guard_options
@click.option(
    "--allow",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Accept requests from there only, such as 1.2.3.0/24.",
)
@click.option("--type", "types", multiple=True, help="Limit the token to segments of this type; repeatable.")
@click.option("--strict", is_flag=True, help="Refuse segments that break the rules of their type.")
@reports_errors
def create(  # noqa: PLR0913 - one parameter per option
    name: str,
    *,
    scopes: tuple[str, ...],
    expires: timedelta | None,
    networks: tuple[str, ...],
    types: tuple[str, ...],
    strict: bool,
    **limits: Any,
) -> None:
    """Create a token and print it once."""
    guard = _guard(limits, Guard())
    secret = create_token(name, scopes or DEFAULT_SCOPES, expires, guard, networks=networks, types=types, strict=strict)
    print_message("Copy this token now. It is not shown again.")
    click.echo(secret)


@tokens.command("update")
@click.argument("name")
@click.option("--no-guard", is_flag=True, help="Remove all limits of the guard first.")
@guard_options
@reports_errors
def update(name: str, *, no_guard: bool, **limits: Any) -> None:
    """Change the guard of a token: the limits given, from its next request on."""
    token = get_token_by_name(name)
    guard = _guard(limits, Guard() if no_guard else token.guard or Guard(holds=token.guard_holds))
    update_token(token.id, guard, token.networks, token.types, token.expires_at)
    click.echo(f"Token {name} changed.")


@tokens.command("list")
@reports_errors
def list_() -> None:
    """List the tokens: name, state, last use, scopes."""
    for token in list_tokens():
        used = f"{token.last_used_at:%Y-%m-%d %H:%M} UTC" if token.last_used_at else "never"
        click.echo(f"{token.name}\t{token.state}\tlast used {used}\t{' '.join(token.scopes)}")


@tokens.command("revoke")
@click.argument("name")
@reports_errors
def revoke(name: str) -> None:
    """Revoke a token, and cancel its jobs that have not begun."""
    cancelled = revoke_token(name)
    click.echo(f"Token {name} revoked.")
    if cancelled:
        click.echo(f"{pluralize(cancelled, 'job')} cancelled.")
