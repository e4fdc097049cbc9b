"""The audit log of administration: a list with filters, and the same as CSV. For admins."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Response, current_app, render_template, request, stream_with_context, url_for
from flask_babel import lazy_gettext
from werkzeug.datastructures import MultiDict
from wtforms import DateField, Form, SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import Optional

from app.access.audit_log import PAGE_SIZE, AuditEvent, AuditFilter, list_events, record_event_now
from app.files.cells import escape_cell
from app.pages import blueprint
from app.pages.audit_texts import EVENTS
from app.pages.auth import require_role
from app.pages.days import start_of_day, start_of_next_day
from app.pages.template_filters import iso_timestamp

MAX_FILTER_LENGTH = 300
EXPORT_BATCH = 1_000
FILTERS = ("event", "actor", "address", "since", "until")
COLUMNS = ("id", "at", "event", "actor", "source", "address", "target", "before", "after")


class AuditFilterForm(Form):  # type: ignore[misc]
    event = SelectField(
        lazy_gettext("Event"),
        choices=[SelectChoice("", lazy_gettext("All")), *(SelectChoice(*item) for item in EVENTS.items())],
        validate_choice=False,  # an unknown event is ignored
    )
    actor = StringField(lazy_gettext("User or token"), render_kw={"maxlength": MAX_FILTER_LENGTH})
    address = StringField(lazy_gettext("IP address"), render_kw={"maxlength": MAX_FILTER_LENGTH})
    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("To"), [Optional()])

    def filters(self) -> AuditFilter:
        """Return the conditions of the valid fields."""
        self.validate()
        event = self.event.data if self.event.data in EVENTS else None
        since, until = (None if field.errors else field.data for field in (self.since, self.until))
        return AuditFilter(
            event,
            _text(self.actor.data),
            _text(self.address.data),
            since and start_of_day(since),
            until and start_of_next_day(until),
        )


def _text(value: str | None) -> str | None:
    """Return the text without characters that no database can store, or None if nothing is left."""
    return (
        "".join(character for character in (value or "").strip()[:MAX_FILTER_LENGTH] if character.isprintable()) or None
    )


@blueprint.get("/audit-log")
@require_role("admin")
def audit_log() -> Any:
    form = AuditFilterForm(_arguments())
    events = list_events(form.filters(), _before_id(), PAGE_SIZE + 1)
    arguments: dict[str, Any] = _arguments().to_dict()
    next_url = url_for("pages.audit_log", **arguments, before=events[-2].id) if len(events) > PAGE_SIZE else None
    return render_template(
        "audit_log.html",
        form=form,
        events=events[:PAGE_SIZE],
        filtered=any(arguments.values()),
        next_url=next_url,
        export_url=url_for("pages.audit_log_export", **arguments),
        retention_days=current_app.config["AUDIT_RETENTION_DAYS"],
    )


def _arguments() -> MultiDict[str, str]:
    """Return the parameters of the filter, without the cursor and unknown ones."""
    return MultiDict((name, value) for name, value in request.args.items() if name in FILTERS)


def _before_id() -> int | None:
    before = request.args.get("before", "")
    return int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None


@blueprint.get("/audit-log.csv")
@require_role("admin")
def audit_log_export() -> Any:
    form = AuditFilterForm(_arguments())
    record_event_now("audit_log_exported")
    headers = {"Content-Disposition": "attachment; filename=audit-log.csv"}
    return Response(stream_with_context(_csv_rows(form.filters())), mimetype="text/csv", headers=headers)


def _csv_rows(filters: AuditFilter) -> Iterator[str]:
    """Yield the entries as CSV, the newest first, in batches by id."""
    yield _csv_line(COLUMNS)
    before_id = None
    while events := list_events(filters, before_id, EXPORT_BATCH):
        for event in events:
            yield _csv_line(_cells(event))
        before_id = events[-1].id


def _cells(event: AuditEvent) -> tuple[str, ...]:
    details = (orjson.dumps(value).decode() if value else "" for value in (event.before, event.after))
    texts = (event.event, event.actor, event.source, event.address or "", event.target or "", *details)
    return str(event.id), iso_timestamp(event.at), *(escape_cell(text) for text in texts)


def _csv_line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
