"""flask changes …"""

from datetime import timedelta

import click
from flask.cli import AppGroup

from app.cli.terminal import command_line, duration, honest, number
from app.core.changes.revert import revert
from app.core.database import now
from app.core.history.retention import prune

changes = AppGroup("changes", help="Undo changes; forget old ones.")


@changes.command("revert")
@click.argument("change_set_id", metavar="ID", type=click.IntRange(min=1, max=10**18))
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@honest
def revert_(change_set_id: int, dry_run: bool) -> None:
    """Undo the change set ID: put back every customer who still holds what it gave her.

    The document_ids of the others, who hold something else by now, go to stdout.
    """
    reverted = revert(change_set_id, command_line(), dry_run=dry_run)
    would_be = "would be" if dry_run else "were"
    click.echo(
        f"{number(reverted.customers, 'customer')} {would_be} put back, {reverted.unchanged:,} were so already,"
        f" {number(len(reverted.conflicts), 'conflict')}.",
        err=True,
    )
    if reverted.change_set_id:
        click.echo(f"Change set {reverted.change_set_id}: revert it to take this back.", err=True)
    for document_id in reverted.conflicts:
        click.echo(document_id)


@changes.command("prune")
@click.option("--older-than", required=True, callback=duration, metavar="90d")
@honest
def prune_(older_than: timedelta) -> None:
    """Forget changes older than that, in batches. What customers hold now is not touched."""
    change_sets, gone = prune(now() - older_than)
    click.echo(f"{number(change_sets, 'change set')} with {number(gone, 'change')} forgotten.")
