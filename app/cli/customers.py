"""flask customers …"""

import sys
from pathlib import Path
from typing import Any

import click
import orjson
from flask.cli import AppGroup

from app.access.audit_log import record_event_now
from app.access.idempotency import disclose_from_responses
from app.access.saved_views import disclose_from_views
from app.cli.file_options import DELIMITER_NAMES, FileOptions, file_options
from app.cli.rejected_rows import write_rejected_rows
from app.cli.terminal import SOME_REJECTED, cli_actor, pluralize, print_message, progress, reports_errors
from app.core.changes.document_ids import rename_customer
from app.core.changes.erasure import Disclose, disclose_customer, erase_again, erase_customers, purge_deleted
from app.core.models.segment_limit import segment_limit
from app.core.models.segment_rules import load_rules
from app.core.models.segments import SegmentPair
from app.core.search.customers import iter_customers
from app.core.search.filters import Filter
from app.files.export import csv_chunks
from app.files.notes import describe_notes
from app.jobs.apply_file import apply_file
from app.jobs.customer_traces import disclose_from_jobs
from app.jobs.stage_file import StagingOptions, stage_file
from app.serialization.segment_notation import InvalidSegment, parse_segment

customers = AppGroup("customers", help="Import and export customers.")


@customers.command("import")
@click.argument("file")
@file_options
@reports_errors
def import_(file: str, options: FileOptions) -> None:
    """Create or update customers by document_id from FILE: CSV or JSON Lines, gzipped or not, - for stdin.

    Columns: document_id, and any of name (or first_name and last_name), email, phone, segments (JSON); or type and
    value (one row per segment); or, by --columns, segment:TYPE for one value of that type and tags:TYPE for several.
    Rows that break the rules of a segment type are rejected.
    A file is applied in batches that are one change set. If the command is stopped, the batches before stay applied and
    can be reverted; running it again applies the rest.
    Exits with 1 if rows were rejected: they are written to FILE.rejected.csv, and all others are applied. Exits with 2
    if nothing was applied.
    """
    with (
        options.open(file) as source,
        progress("Reading", source.size) as reading,
        stage_file(source, reading, _staging_options(options)) as staging,
    ):
        some_rejected = write_rejected_rows(staging, source.columns, file)
        with progress("Saving", staging.count_customers()) as advance:
            applied = apply_file(staging, cli_actor(), advance, create=True, note=f"Import of {Path(file).name}")
        saved, duplicates = applied.saved, sum(1 for _ in staging.duplicates())
    click.echo(
        f"{pluralize(saved.created, 'customer')} created, {saved.updated:,} updated, {saved.unchanged:,} unchanged;"
        f" segments of {pluralize(applied.changed, 'customer')} changed."
    )
    if applied.change_set_id:
        click.echo(f"Change set {applied.change_set_id}.")
    if duplicates:
        click.echo(f"{pluralize(duplicates, 'duplicate ID')}: first row used.")
    for note in describe_notes(source.notes.to_dict()):
        print_message(f"Note: {note}.")
    if some_rejected:
        raise SystemExit(SOME_REJECTED)


def _staging_options(options: FileOptions) -> StagingOptions:
    return StagingOptions(options.roles, options.clear_empty, rules=load_rules(), max_segments=segment_limit())


def _segment(_context: Any, _option: Any, values: tuple[str, ...]) -> list[SegmentPair]:
    try:
        return [parse_segment(value) for value in values]
    except InvalidSegment as error:
        raise click.BadParameter(str(error)) from None


@customers.command("export")
@click.option(
    "--segment",
    "segments",
    multiple=True,
    callback=_segment,
    metavar="TYPE:VALUE",
    help="Only customers with this segment.",
)
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option(
    "--delimiter", type=click.Choice(list(DELIMITER_NAMES)), default="comma", show_default=True, help="Of the CSV."
)
@click.option("--for-spreadsheets", is_flag=True, help="Protect cells that a spreadsheet would change or run.")
@reports_errors
def export(segments: list[SegmentPair], format_: str, delimiter: str, for_spreadsheets: bool) -> None:
    """Write customers to stdout, ordered by document_id, as `customers import` reads them.

    With several --segment, customers with all of them. Write a colon in a type as %3A, a percent sign as %25.
    """
    record_event_now("customers_exported", after={"format": format_, "filtered": bool(segments)})
    exported = iter_customers(Filter(segments=tuple(segments)))
    if format_ == "jsonl":
        for customer in exported:
            sys.stdout.buffer.write(orjson.dumps(customer, option=orjson.OPT_APPEND_NEWLINE))
        return
    sys.stdout.reconfigure(newline="", encoding="utf-8")  # type: ignore[union-attr]
    chunks = csv_chunks(exported, for_spreadsheets=for_spreadsheets, delimiter=DELIMITER_NAMES[delimiter])
    sys.stdout.writelines(chunks)


@customers.command("change-id")
@click.argument("old")
@click.argument("new")
@reports_errors
def change_id(old: str, new: str) -> None:
    """Change a customer's ID from OLD to NEW. Segments and history are kept."""
    click.echo(f"Change set {rename_customer(old, new, cli_actor())}.")


@customers.command("erase")
@click.argument("document_ids", nargs=-1, metavar="[ID]…")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="One ID per line.")
@click.option("--again", is_flag=True, help="After a restored backup: those who were erased since it was made.")
@reports_errors
def erase(document_ids: tuple[str, ...], file: Path | None, again: bool) -> None:
    """Erase customers: profile, segments, and all that is recorded about them, under every ID they had.

    IDs that no customer has go to stdout, and the exit code is 1 then.
    """
    if again:
        print_message(f"{pluralize(erase_recorded(), 'customer')} erased again.")
        return
    ids = [*document_ids, *(file.read_text("utf-8").splitlines() if file else ())]
    if not ids:
        raise click.UsageError("Name customers, or a file with one ID per line.")
    result = erase_customers(filter(None, ids), cli_actor())
    record_event_now("customer_erased", after={"customers": result.erased})  # never the ids
    purge_deleted()
    click.echo(f"{pluralize(result.erased, 'customer')} erased.", err=True)
    for document_id in result.not_found:
        click.echo(document_id)
    if result.not_found:
        raise SystemExit(SOME_REJECTED)


def erase_recorded() -> int:
    """Erase the customers again who were erased after the backup that was restored; return how many."""
    count = erase_again(cli_actor())
    if count:
        record_event_now("customer_erased", after={"customers": count})
        purge_deleted()
    return count


@customers.command("disclose")
@click.argument("document_id", metavar="ID")
@reports_errors
def disclose(document_id: str) -> None:
    """Print everything that is stored about the customer ID, as JSON."""
    elsewhere: dict[str, Disclose] = {
        "jobs": disclose_from_jobs,
        "responses": disclose_from_responses,
        "views": disclose_from_views,
    }
    disclosure = disclose_customer(document_id, elsewhere)
    record_event_now("customer_disclosed")
    click.echo(orjson.dumps(disclosure, option=orjson.OPT_INDENT_2).decode())
