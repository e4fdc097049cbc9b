"""flask segments …"""

from datetime import datetime

import click
import orjson
from flask.cli import AppGroup

from app.cli.file_options import FileOptions, file_options
from app.cli.pick_up import pick_up_command
from app.cli.rejected_rows import write_rejected_rows
from app.cli.terminal import (
    SOME_REJECTED,
    cli_actor,
    past_timestamp,
    pluralize,
    print_message,
    progress,
    reports_errors,
)
from app.core.counts.compaction import compact
from app.core.counts.recount import recount
from app.core.models.segment_limit import segment_limit
from app.core.models.segment_rules import NO_RULES, load_rules
from app.files.notes import describe_notes
from app.files.staging import Staging
from app.jobs.apply_file import ApplyResult, apply_file
from app.jobs.compare_file import iter_differences
from app.jobs.stage_file import StagingOptions, stage_file

segments = AppGroup("segments", help="Apply files of segments; maintain segment counts.")
segments.add_command(pick_up_command)


@segments.command("apply")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Report what would happen; change nothing.")
@click.option("--as-of", callback=past_timestamp, metavar="T", help="Skip customers changed after T.")
@click.option("--strict", is_flag=True, help="Reject rows that break the rules of a segment type.")
@file_options
@reports_errors
def apply_(file: str, *, dry_run: bool, as_of: datetime | None, strict: bool, options: FileOptions) -> None:
    """Replace the segments of the customers in FILE, in batches that are one change set.

    A file of up to 5,000 customers is one transaction. If a batch fails, those before stay applied and can be reverted;
    running the command again applies the rest.

    FILE is the endpoint's JSON body, JSON Lines of its elements, or CSV (document_id,type,value: one row per segment),
    gzipped or not, - for stdin. The endpoint's report goes to stdout. Exits with 1 if rows were rejected: they are
    written to FILE.rejected.csv, and all others are applied. Exits with 2 if nothing was applied.
    """
    staging_options = StagingOptions(
        options.roles,
        needs_segments=True,
        rules=load_rules() if strict else NO_RULES,
        max_segments=segment_limit(),
    )
    with (
        options.open(file) as source,
        progress("Reading", source.size) as reading,
        stage_file(source, reading, staging_options) as staging,
    ):
        some_rejected = write_rejected_rows(staging, source.columns, file)
        with progress("Applying", staging.count_customers()) as advance:
            applied = apply_file(staging, cli_actor(), advance, create=False, as_of=as_of, dry_run=dry_run)
        _report(applied, staging)
    for note in describe_notes(source.notes.to_dict()):
        print_message(f"Note: {note}.")
    if some_rejected:
        raise SystemExit(SOME_REJECTED)


def _report(applied: ApplyResult, staging: Staging) -> None:
    """Write the endpoint's `report` as a stream, an id a line: it may be long."""
    lists = {
        "notFound": staging.skipped("notFound"),
        "duplicates": staging.duplicates(),
        "stale": staging.skipped("stale"),
    }
    click.echo(f'{{"changed": {applied.changed}, "unchanged": {applied.unchanged}')
    for name, document_ids in lists.items():
        click.echo(f', "{name}": [', nl=False)
        for position, document_id in enumerate(document_ids):
            click.echo((",\n" if position else "\n") + orjson.dumps(document_id).decode(), nl=False)
        click.echo("]")
    change_set = f'"{applied.change_set_id}"' if applied.change_set_id else "null"
    click.echo(f', "changeSet": {change_set}}}')


@segments.command("diff")
@click.argument("file")
@file_options
@reports_errors
def diff_(file: str, *, options: FileOptions) -> None:
    """Compare the segments in FILE with what is stored; change nothing.

    FILE is as for apply. A line of JSON per customer who differs, with the segments `sent` and `stored`, goes to
    stdout; `stored` is null for an id that no customer has. Exits with 1 if there are differences or rejected rows.
    """
    with (
        options.open(file) as source,
        progress("Reading", source.size) as reading,
        stage_file(source, reading, StagingOptions(options.roles, needs_segments=True)) as staging,
    ):
        some_rejected = write_rejected_rows(staging, source.columns, file)
        count = 0
        for count, difference in enumerate(iter_differences(staging), 1):  # noqa: B007
            click.echo(orjson.dumps(difference.to_dict()).decode())
        print_message(f"{pluralize(staging.count_customers(), 'customer')} compared, {count:,} differ.")
    if count or some_rejected:
        raise SystemExit(SOME_REJECTED)


@segments.command("compact")
@reports_errors
def compact_() -> None:
    """Compact count history to one row per day. The counts do not change."""
    compacted, rows = compact()
    click.echo(f"{pluralize(compacted, 'row')} compacted to {rows:,}.")


@segments.command("recount")
@reports_errors
def recount_() -> None:
    """Recalculate segment counts and report differences."""
    differences = recount(cli_actor())
    for segment, difference in differences:
        click.echo(f"{segment} {difference:+,}")
    print_message(f"{pluralize(len(differences), 'count')} differed." if differences else "All counts were correct.")
