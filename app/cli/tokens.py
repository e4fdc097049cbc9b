"""flask tokens …"""

from datetime import timedelta

import click
from flask.cli import AppGroup

from app.access.api_tokens import DEFAULT_SCOPES, SCOPES, create_token, list_tokens, revoke_token
from app.cli.terminal import duration, reports_errors, say
from app.core.changes.replace_segments import Guard

tokens = AppGroup("tokens", help="Create, list and revoke API tokens.")


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
@click.option("--guard-customers", type=click.IntRange(0), help="Reject requests that empty more customers.")
@click.option("--guard-percent", type=click.IntRange(0, 100), help="The limit in percent of the customers sent.")
@click.option(
    "--allow",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Accept requests from there only, such as 1.2.3.0/24.",
)
@click.option("--type", "types", multiple=True, help="Limit the token to segments of this type; repeatable.")
@reports_errors
def create(  # noqa: PLR0913 - one parameter per option
    name: str,
    *,
    scopes: tuple[str, ...],
    expires: timedelta | None,
    guard_customers: int | None,
    guard_percent: int | None,
    networks: tuple[str, ...],
    types: tuple[str, ...],
) -> None:
    """Create a token and print it once."""
    guard = Guard(guard_customers, guard_percent)
    secret = create_token(name, scopes or DEFAULT_SCOPES, expires, guard, networks=networks, types=types)
    say("Copy this token now. It is not shown again.")
    click.echo(secret)


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
    """Revoke a token."""
    revoke_token(name)
    click.echo(f"Token {name} revoked.")
