"""flask customers …"""

import sys
from pathlib import Path
from typing import Any

import click
import orjson
from flask.cli import AppGroup

from app.cli.rejected_rows import keep_rejected
from app.cli.terminal import SOME_REJECTED, command_line, give_up, honest, number, progress
from app.core.changes.document_ids import change_document_id
from app.core.models.customers import storable
from app.core.search.customers import Filter, every_found
from app.files.export import csv_texts
from app.files.reading import opened
from app.jobs.apply_file import apply, staged
from app.serialization.request_schemas import LONGEST
from app.serialization.segment_notation import InvalidSegment, parse_segment

customers = AppGroup("customers", help="Import and export customers.")


@customers.command("import")
@click.argument("file")
@honest
def import_(file: str) -> None:
    """Create or update customers by document_id from FILE: CSV or JSON Lines, gzipped or not, - for stdin.

    Columns: document_id, and any of name, email, phone, segments (JSON); or type and value, a row a segment. Exits with
    1 if lines were rejected; they are kept in FILE.rejected.csv, and all others are applied. Exits with 2 if nothing
    was.
    """
    with (
        opened(file) as source,
        progress("Reading", source.size) as reading,
        staged(source, reading) as staging,
    ):
        some_rejected = keep_rejected(staging, source.columns, file)
        with progress("Saving", staging.customers()) as advance:
            done = apply(staging, command_line(), advance, create=True, note=f"Import of {Path(file).name}")
        saved, duplicates = done.saved, sum(1 for _ in staging.duplicates())
    click.echo(
        f"{number(saved.created, 'customer')} created, {saved.updated:,} updated, {saved.unchanged:,} unchanged;"
        f" segments of {number(done.changed, 'customer')} changed."
    )
    if done.change_set_id:
        click.echo(f"Change set {done.change_set_id}.")
    if duplicates:
        click.echo(f"{number(duplicates, 'document_id')} stood in several lines: the first was taken.")
    if some_rejected:
        raise SystemExit(SOME_REJECTED)


def _segment(_context: Any, _option: Any, values: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        return [parse_segment(value) for value in values]
    except InvalidSegment as error:
        raise click.BadParameter(str(error)) from None


@customers.command("export")
@click.option("--segment", "segments", multiple=True, callback=_segment, metavar="TYPE:VALUE", help="Only who has it.")
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@honest
def export(segments: list[dict[str, str]], format_: str) -> None:
    """Write customers to stdout, by document_id, as `customers import` reads them.

    With several --segment, those who have all of them. A colon in a type is written %3A, a percent sign %25.
    """
    found = every_found(Filter(segments=tuple(segments)))
    if format_ == "jsonl":
        for customer in found:
            sys.stdout.buffer.write(orjson.dumps(customer, option=orjson.OPT_APPEND_NEWLINE))
        return
    sys.stdout.reconfigure(newline="", encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.writelines(csv_texts(found))


@customers.command("change-id")
@click.argument("old")
@click.argument("new")
@honest
def change_id(old: str, new: str) -> None:
    """Call the customer OLD by the document_id NEW from now on; her segments and her history stay hers."""
    if not 0 < len(new) <= LONGEST["document_id"] or not storable(new):
        give_up(f"A document_id has 1 to {LONGEST['document_id']} characters.")
    click.echo(f"Change set {change_document_id(old, new, command_line())}.")
