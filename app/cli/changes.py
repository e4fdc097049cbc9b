"""Commands: flask changes …"""

from datetime import timedelta

import click
from flask.cli import AppGroup

from app.access.audit_log import record_event_now
from app.cli.terminal import cli_actor, duration, pluralize, progress, reports_errors
from app.core.changes.revert import preview_revert
from app.core.database import now
from app.core.history.retention import prune
from app.jobs.reverts import count_entries, revert_in_batches

changes = AppGroup("changes", help="Revert changes and delete old history.")


@changes.command("revert")
@click.argument("change_set_id", metavar="ID", type=click.IntRange(min=1, max=10**18))
@click.option("--dry-run", is_flag=True, help="Report what would happen without changing anything.")
@reports_errors
def revert_(change_set_id: int, dry_run: bool) -> None:
    """Revert the change set ID: restore every customer not changed since, in batches that are one change set.

    The document_ids of customers with conflicts go to stdout.
    """
    if dry_run:
        reverted = preview_revert(change_set_id)
    else:
        with progress("Reverting", count_entries(change_set_id)) as advance:
            reverted = revert_in_batches(change_set_id, cli_actor(), advance)
    verb = "would be restored" if dry_run else "restored"
    click.echo(
        f"{pluralize(reverted.customers, 'customer')} {verb}, {reverted.unchanged:,} already restored,"
        f" {pluralize(len(reverted.conflicts), 'conflict')}.",
        err=True,
    )
    if reverted.change_set_id:
        click.echo(f"Change set {reverted.change_set_id}. Run revert on it to redo.", err=True)
    for document_id in reverted.conflicts:
        click.echo(document_id)


@changes.command("prune")
@click.option("--older-than", required=True, callback=duration, metavar="90d")
@reports_errors
def prune_(older_than: timedelta) -> None:
    """Delete changes older than that, in batches. Customers keep their segments."""
    horizon = now() - older_than
    change_sets, deleted = prune(horizon)
    record_event_now("history_pruned", after={"before": horizon.isoformat(), "change_sets": change_sets})
    click.echo(f"{pluralize(change_sets, 'change set')} with {pluralize(deleted, 'change')} deleted.")
