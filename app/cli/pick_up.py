"""flask segments pick-up FOLDER"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import click

from app import background
from app.cli.file_options import FileOptions, file_options
from app.cli.terminal import (
    NOTHING_DONE,
    SOME_REJECTED,
    cli_actor,
    duration,
    fail,
    pluralize,
    print_message,
    reports_errors,
)
from app.core.changes.guard import Guard
from app.core.errors import Unavailable
from app.jobs.api_job import ACTIONS, JobAction
from app.jobs.pick_up import PickedUp, PickUp, pick_up

WATCH_INTERVAL_S = 5.0


@click.command("pick-up")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--action", type=click.Choice(ACTIONS), default="replace", show_default=True, help="As of API jobs.")
@click.option("--type", "types", multiple=True, help="Change segments of this type only; repeatable.")
@click.option("--guard-customers", type=click.IntRange(0), help="Refuse a file that empties more customers.")
@click.option("--guard-percent", type=click.IntRange(0, 100), help="The limit in percent of the customers in the file.")
@click.option(
    "--as-of/--no-as-of",
    "use_file_time",
    default=True,
    show_default=True,
    help="Skip customers changed after the file was written.",
)
@click.option("--strict", is_flag=True, help="Reject rows that break the rules of a segment type.")
@click.option("--dry-run-first", is_flag=True, help="Apply nothing of a file that has rows with errors.")
@click.option(
    "--min-age", callback=duration, default="30s", show_default=True, help="Since the file was last written to."
)
@click.option("--watch", is_flag=True, help="Look again every 5 seconds, until stopped.")
@file_options
@reports_errors
def pick_up_command(  # noqa: PLR0913 - one parameter per option
    folder: Path,
    *,
    action: str,
    types: tuple[str, ...],
    guard_customers: int | None,
    guard_percent: int | None,
    use_file_time: bool,
    strict: bool,
    dry_run_first: bool,
    min_age: timedelta,
    watch: bool,
    options: FileOptions,
) -> None:
    """Apply each complete file in FOLDER once, as a job, and move it to done/ or failed/ with its report.

    A file is complete when nothing was written to it for --min-age, and its name neither begins with a dot nor ends
    with .part, .tmp and the like. Several runs at once take no file twice. A file that a killed run left in working/ is
    continued. Exits with 1 if rows were rejected, with 2 if a file failed.
    """
    has_guard = guard_customers is not None or guard_percent is not None
    guard = Guard(guard_customers, guard_percent, frozenset(types)) if has_guard else None
    choices = PickUp(
        folder,
        cli_actor(),
        cast(JobAction, action),
        tuple(sorted(types)),
        guard,
        use_file_time,
        strict,
        dry_run_first,
        min_age,
        {
            "encoding": options.encoding,
            "delimiter": options.delimiter,
            "roles": options.roles,
            "clear_empty": options.clear_empty,
            "sheet": options.sheet,
        },
    )
    with _stopped_by_signals() as stop:
        exit_code = _pass(choices, stop)
        while watch and not stop.wait(WATCH_INTERVAL_S):
            try:
                _pass(choices, stop)
            except Unavailable as unavailable:
                print_message(str(unavailable))
    if exit_code and not watch:
        raise SystemExit(exit_code)


def _pass(options: PickUp, stop: threading.Event) -> int:
    """Apply the files that are there; return the exit code."""
    code = 0
    try:
        for picked_up in pick_up(options, background.HANDLERS, stop, _report_future):
            _report(picked_up)
            failed, rejected = picked_up.outcome == "failed", (picked_up.report or {}).get("rejected")
            code = max(code, NOTHING_DONE if failed else SOME_REJECTED if rejected else 0)
    except OSError as error:
        fail(f"{options.folder} cannot be used: {error}.")
    return code


def _report_future(name: str) -> None:
    print_message(f"{name}: its time is in the future. It waits; check the clocks.")


def _report(picked_up: PickedUp) -> None:
    name = f"{picked_up.outcome}/{picked_up.path.name}"
    if picked_up.error:
        print_message(f"{name}: {picked_up.error}")
        return
    report: dict[str, Any] = picked_up.report or {}
    change_set = f" Change set {picked_up.change_set_id}." if picked_up.change_set_id else ""
    changed = report.get("changed", 0) + report.get("created", 0) + report.get("updated", 0)
    click.echo(
        f"{name}: {pluralize(changed, 'customer')} changed, {report.get('unchanged', 0):,} unchanged.{change_set}"
    )


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set: the current job is released, and the next run continues it."""
    stop = threading.Event()
    previous = {name: signal.signal(name, lambda *_: stop.set()) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
