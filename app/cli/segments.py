"""flask segments …"""

from datetime import datetime
from typing import Any

import click
import orjson
from flask.cli import AppGroup

from app.cli.rejected_rows import write_rejected_rows
from app.cli.terminal import SOME_REJECTED, cli_actor, pluralize, progress, reports_errors, say
from app.core.counts.compaction import compact
from app.core.counts.recount import recount
from app.files.reading import open_path
from app.files.staging import Staging
from app.jobs.apply_file import ApplyResult, apply_file, stage_file
from app.serialization.request_schemas import parse_timestamp

segments = AppGroup("segments", help="Apply files of segments; look after their counts.")


def _moment(_context: Any, _option: Any, value: str | None) -> datetime | None:
    try:
        return parse_timestamp(value) if value else None
    except ValueError:
        raise click.BadParameter("must be an RFC 3339 time such as 2026-11-23T08:00:00Z.") from None


@segments.command("apply")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Report what would happen; change nothing.")
@click.option("--as-of", callback=_moment, metavar="T", help="Leave customers alone that were changed after T.")
@reports_errors
def apply_(file: str, dry_run: bool, as_of: datetime | None) -> None:
    """Replace the segments of the customers in FILE, all of them or, if anything goes wrong, none.

    FILE is the endpoint's JSON body, JSON Lines of its elements, or CSV (document_id,type,value: a row a segment),
    gzipped or not, - for stdin. The endpoint's report goes to stdout. Exits with 1 if lines were rejected; they are
    kept in FILE.rejected.csv, and all others are applied. Exits with 2 if nothing was.
    """
    with (
        open_path(file) as source,
        progress("Reading", source.size) as reading,
        stage_file(source, reading, needs_segments=True) as staging,
    ):
        some_rejected = write_rejected_rows(staging, source.columns, file)
        with progress("Applying", staging.customers()) as advance:
            applied = apply_file(staging, cli_actor(), advance, create=False, as_of=as_of, dry_run=dry_run)
        _report(applied, staging)
    if some_rejected:
        raise SystemExit(SOME_REJECTED)


def _report(applied: ApplyResult, staging: Staging) -> None:
    """The endpoint's `report`, an id a line: it may be long, and is never held as a whole."""
    lists = {
        "notFound": staging.left_out("notFound"),
        "duplicates": staging.duplicates(),
        "stale": staging.left_out("stale"),
    }
    click.echo(f'{{"changed": {applied.changed}, "unchanged": {applied.unchanged}')
    for name, document_ids in lists.items():
        click.echo(f', "{name}": [', nl=False)
        for position, document_id in enumerate(document_ids):
            click.echo((",\n" if position else "\n") + orjson.dumps(document_id).decode(), nl=False)
        click.echo("]")
    change_set = f'"{applied.change_set_id}"' if applied.change_set_id else "null"
    click.echo(f', "changeSet": {change_set}}}')


@segments.command("compact")
@reports_errors
def compact_() -> None:
    """Fold the ledger of counts into one row per day, actor and segment. The counts stay what they are."""
    folded, rows = compact()
    click.echo(f"{pluralize(folded, 'row')} folded into {rows:,}.")


@segments.command("recount")
@reports_errors
def recount_() -> None:
    """Count who holds what from the customers themselves, put the counts right, and say what differed."""
    differing = recount(cli_actor())
    for what, missing in differing:
        click.echo(f"{what} {missing:+,}")
    say(f"{pluralize(len(differing), 'count')} differed." if differing else "Every count was right.")
