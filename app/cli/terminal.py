"""The conventions of all commands: data on stdout, messages on stderr, progress on terminals only, exit codes."""

import getpass
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, NoReturn, TypeVar

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import DBAPIError

from app.access.audit_log import set_origin
from app.core.database import now, raise_if_unavailable
from app.core.errors import DomainError
from app.core.limits import MAX_CLOCK_SKEW
from app.core.models.change_sets import Actor
from app.serialization.request_schemas import parse_timestamp

SOME_REJECTED = 1
"""Everything but the rejected rows was applied."""
NOTHING_DONE = 2
"""Nothing was applied."""

Command = TypeVar("Command", bound=Callable[..., Any])


def cli_actor() -> Actor:
    return Actor(f"command line {getpass.getuser()}", "command")


def reports_errors(command: Command) -> Command:
    """Run a command in the application's context; an error becomes one line on stderr and exit code 2."""

    @with_appcontext
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        set_origin(cli_actor().name, "command")
        try:
            return command(*args, **kwargs)
        except DomainError as domain_error:
            fail(str(domain_error))
        except DBAPIError as error:
            try:
                raise_if_unavailable(error)
            except DomainError as domain_error:
                fail(str(domain_error))
            raise

    return run  # type: ignore[return-value]


def fail(message: str) -> NoReturn:
    print_message(message)
    raise SystemExit(NOTHING_DONE)


def print_message(message: str) -> None:
    """Print to stderr: stdout is for results."""
    click.echo(message, err=True)


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; call the result with the progress, in the unit of `total`."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        shown = 0

        def advance(done: int) -> None:
            nonlocal shown
            if done != shown:  # called for every line, while a file is read in blocks
                bar.update(task, completed=done)
                shown = done

        yield advance


def pluralize(count: int, noun: str) -> str:
    """Return `1 customer` or `12,431 customers`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def timestamp(_context: Any, _option: Any, value: str | None) -> datetime | None:
    """Parse an RFC 3339 time."""
    try:
        return parse_timestamp(value) if value else None
    except ValueError:
        raise click.BadParameter("must be an RFC 3339 time such as 2026-11-23T08:00:00Z.") from None


def past_timestamp(context: Any, option: Any, value: str | None) -> datetime | None:
    """Parse an RFC 3339 time that is not in the future (contract §8)."""
    moment = timestamp(context, option, value)
    if moment and moment > now() + MAX_CLOCK_SKEW:
        raise click.BadParameter("must not be in the future.")
    return moment


UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(_context: Any, _option: Any, value: str | None) -> timedelta | None:
    """Parse `90d` or `12h`."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,6})([smhdw])", value)
    if not match:
        raise click.BadParameter("must be a number and a unit: 30s, 30m, 12h, 90d, 4w.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
