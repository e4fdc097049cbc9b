"""The customers of a list as a file, which can be imported again."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import orjson
from babel.numbers import get_decimal_symbol
from flask import Response, stream_with_context
from flask_babel import get_locale
from flask_babel import gettext as _
from werkzeug.wsgi import FileWrapper

from app.access.audit_log import record_event_now
from app.core.search.customers import iter_customers
from app.core.search.filters import Filter
from app.core.search.terms import fold_accents
from app.files.export import WorkbookTooSmall, csv_chunks, write_workbook
from app.pages import blueprint, list_query
from app.pages.auth import require_role
from app.pages.days import today
from app.pages.list_query import InvalidRequest, parse_customer_list
from app.web.replica_reads import stream_from_replica

MAX_NAME_LENGTH = 80

Rows = Generator[dict[str, Any], None, None]


@blueprint.get("/customer-export")
@require_role("viewer")
def customer_export() -> Response:
    """Stream all customers of the list: `?format=csv` for spreadsheets, `plain`, `jsonl` or `xlsx`."""
    filter_, format_ = parse_customer_list().filter, list_query.text("format") or "csv"
    if format_ not in FORMATS:
        raise InvalidRequest(_("Choose CSV, Excel or JSON Lines."), parameter="format")
    extension, mimetype, write = FORMATS[format_]
    rows, delimiter = stream_from_replica(lambda: iter_customers(filter_)), _spreadsheet_delimiter()
    record_event_now("customers_exported", after={"format": format_, "filtered": bool(filter_)})
    return Response(
        stream_with_context(write(rows, delimiter)),
        mimetype=mimetype,
        headers={"Content-Disposition": f"attachment; filename={_file_name(filter_)}.{extension}"},
    )


def _file_name(filter_: Filter) -> str:
    """Return what the file holds, such as `customers-gold-without-wine-2026-11-26`; never what was searched for."""
    parts = [pair.value for pair in filter_.segments]
    for pair in filter_.without:
        parts += ["without", pair.value]
    parts += {None: [], "any": ["with", "segments"], "none": ["without", "segments"]}[filter_.has]
    parts += ["search"] if filter_.q else []
    words = re.findall("[a-z0-9_]+", fold_accents(" ".join(parts)), re.IGNORECASE)
    name = "-".join(["customers", *words])[:MAX_NAME_LENGTH]
    return f"{name}-{today():%Y-%m-%d}"


def _spreadsheet_delimiter() -> str:
    """Return what divides columns in a spreadsheet of the operator's language: a semicolon where 1,5 is a number."""
    return ";" if get_decimal_symbol(get_locale()) == "," else ","


def _spreadsheet_csv(rows: Rows, delimiter: str) -> Iterator[str]:
    """Yield what a spreadsheet opens in columns, without changing any cell."""
    with closing(rows):
        yield "\N{BYTE ORDER MARK}"  # without it, spreadsheets do not recognise UTF-8
        yield from csv_chunks(rows, for_spreadsheets=True, delimiter=delimiter)


def _plain_csv(rows: Rows, _delimiter: str) -> Iterator[str]:
    with closing(rows):
        yield from csv_chunks(rows)


def _json_lines(rows: Rows, _delimiter: str) -> Iterator[bytes]:
    with closing(rows):
        for customer in rows:
            yield orjson.dumps(customer, option=orjson.OPT_APPEND_NEWLINE)


def _workbook(rows: Rows, _delimiter: str) -> Iterator[bytes]:
    try:
        with closing(rows):
            file = write_workbook(rows)
    except WorkbookTooSmall:
        message = _("A workbook can't hold these customers. Export CSV instead.")
        raise InvalidRequest(message, parameter="format") from None
    return FileWrapper(file)


FORMATS: dict[str, tuple[str, str, Callable[[Rows, str], Iterator[Any]]]] = {
    "csv": ("csv", "text/csv", _spreadsheet_csv),
    "plain": ("csv", "text/csv", _plain_csv),
    "xlsx": ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _workbook),
    "jsonl": ("jsonl", "application/x-ndjson", _json_lines),
}
"""Of each format: the extension and type of the file, and what writes it."""
