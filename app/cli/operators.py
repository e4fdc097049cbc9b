"""flask operators …"""

import sys

import click
from flask.cli import AppGroup

from app.access.operators import ROLES, create_operator, find_operator, set_password
from app.access.second_factor import reset_second_factor
from app.cli.terminal import reports_errors

operators = AppGroup("operators", help="Create operators, who sign in to the pages.")

password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@operators.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True)
@password_stdin
@reports_errors
def create(email: str, role: str, password_stdin: bool) -> None:
    """Create a user."""
    create_operator(email, role, _password(password_stdin))
    click.echo(f"{email} can sign in as {role}.")


@operators.command("set-password")
@click.argument("email")
@password_stdin
@reports_errors
def set_password_(email: str, password_stdin: bool) -> None:
    """Reset a user's password."""
    set_password(email, _password(password_stdin))
    click.echo(f"The password of {email} was changed.")


@operators.command("reset-second-factor")
@click.argument("email")
@reports_errors
def reset_second_factor_(email: str) -> None:
    """Remove a user's authenticator app, passkeys and recovery codes."""
    operator = find_operator(email)
    reset_second_factor(operator.id, operator.email)
    click.echo(f"The second factor of {email} was removed.")
