"""flask changes …"""

from datetime import timedelta

import click
from flask.cli import AppGroup

from app.access.audit_log import record_event_now
from app.cli.terminal import cli_actor, duration, pluralize, reports_errors
from app.core.changes.revert import revert
from app.core.database import now
from app.core.history.retention import prune

changes = AppGroup("changes", help="Undo changes; forget old ones.")


@changes.command("revert")
@click.argument("change_set_id", metavar="ID", type=click.IntRange(min=1, max=10**18))
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@reports_errors
def revert_(change_set_id: int, dry_run: bool) -> None:
    """Undo the change set ID: put back every customer who still holds what it gave them.

    The document_ids of the others, who hold something else by now, go to stdout.
    """
    reverted = revert(change_set_id, cli_actor(), dry_run=dry_run)
    would_be = "would be" if dry_run else "were"
    click.echo(
        f"{pluralize(reverted.customers, 'customer')} {would_be} put back, {reverted.unchanged:,} were so already,"
        f" {pluralize(len(reverted.conflicts), 'conflict')}.",
        err=True,
    )
    if reverted.change_set_id:
        click.echo(f"Change set {reverted.change_set_id}: revert it to take this back.", err=True)
    for document_id in reverted.conflicts:
        click.echo(document_id)


@changes.command("prune")
@click.option("--older-than", required=True, callback=duration, metavar="90d")
@reports_errors
def prune_(older_than: timedelta) -> None:
    """Forget changes older than that, in batches. What customers hold now is not touched."""
    horizon = now() - older_than
    change_sets, gone = prune(horizon)
    record_event_now("history_pruned", after={"before": horizon.isoformat(), "change_sets": change_sets})
    click.echo(f"{pluralize(change_sets, 'change set')} with {pluralize(gone, 'change')} forgotten.")
