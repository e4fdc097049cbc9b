"""English texts of the domain, translated where a page shows them.

The core, files and jobs write English: the API answers with it, and the database stores it with a failed job or a
rejected row. A page looks up the text among these templates, whose `%(name)s` stand for any words, and translates the
template. A text that matches none of them stays as it is. `reason` is such a text itself.
"""

import re
from functools import cache

from flask import Blueprint
from flask_babel import gettext

from app.core.models.change_sets import REASON_SEPARATOR
from app.pages.template_filters import number

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_GROUPED_NUMBER = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")
_PATH = re.compile(r"[\w.\[\]]+")


def marked(text: str) -> str:
    """Return the text unchanged; `make translations` extracts it."""
    return text


TEXTS = (
    # Sign-in, second factor, operators
    marked("Too many people are signing in right now. Try again in a moment."),
    marked("Too many failed attempts. Try again in %(count)s minutes."),
    marked("Too many failed attempts. Try again in %(count)s seconds."),
    marked("Incorrect email or password."),
    marked("Current password is incorrect."),
    marked("A password has at least %(minimum)s characters, and at most %(maximum)s."),
    marked("This password is too easy to guess. Choose another one."),
    marked("Your account is deactivated. Ask an admin."),
    marked("Your account at the provider has no role for this service. Ask an admin."),
    marked("You have no access to this service. Ask an admin for an invitation."),
    marked("The passkey could not be verified. Nothing was changed."),
    marked("The passkey could not be verified."),
    marked("This passkey is not known here."),
    marked("Passkey not found."),
    marked("An authenticator app is set up already. Remove it first."),
    marked("No authenticator app is being set up."),
    marked("Incorrect code. Check the time of your phone and try the next code."),
    marked("Incorrect code. Try the next one, or use a recovery code."),
    marked("The sign-in took too long. Start again."),
    marked("This invitation has expired or was already used. Ask an admin for a new one."),
    marked("Enter a valid email."),
    marked("Operator not found."),
    marked("No operator has the email %(email)s."),
    marked("An operator with the email %(email)s exists already."),
    marked("You need at least one admin. Make someone else an admin first."),
    marked("%(reason)s Nothing was changed."),
    marked("Another view has this name."),
    marked("At most %(count)s views can be saved."),
    marked("This view was deleted."),
    # Tokens and webhooks
    marked("Token not found."),
    marked("No token is named %(name)s."),
    marked("Token %(name)s is revoked. Nothing was changed."),
    marked("The token was revoked before this was applied. Nothing was applied."),
    marked("A token named %(name)s exists already. Names cannot be reused."),
    marked("%(count)s networks: at most %(maximum)s are allowed."),
    marked("%(text)s is not a network such as 203.0.113.0/24 or 2001:db8::/32."),
    marked("%(text)s is an address in a network. Write %(network)s, or the address alone."),
    marked("%(count)s segment types: at most %(maximum)s are allowed."),
    marked("A segment type is one line of text, without spaces around it."),
    marked("Webhook not found."),
    marked("Delivery not found, or deleted."),
    marked("Enter a URL such as https://example.com/hook, without spaces or special characters."),
    marked("Enter a URL such as https://example.com/hook."),
    marked("This is not a URL."),
    marked("The URL can't contain a user name or #fragment."),
    marked("The URL must begin with https://."),
    marked("The port must be %(ports)s."),
    marked("Host not found."),
    marked("Private network addresses are blocked. Ask your administrator to add it to WEBHOOK_ALLOWED_HOSTS."),
    marked("the change set has been deleted"),
    marked("SECRET_KEY was changed: rotate the secret of this webhook"),
    marked("no response within %(count)s seconds"),
    marked("the certificate was not accepted: %(error)s"),
    marked("the TLS handshake failed"),
    marked("the connection was refused"),
    marked("the connection broke"),
    marked("the host could not be reached"),
    # Customers and changes
    marked("No customer has this document_id."),
    marked("No customer has this e-mail."),
    marked("Several customers have this e-mail: use the document_id."),
    marked("A document_id has 1 to 512 characters."),
    marked("Another customer has the document_id %(id)s. Nothing was changed."),
    marked("This change of the customer is not on record, or no longer kept."),
    marked("There is no change set %(id)s, or it is no longer kept."),
    marked("Change set %(id)s is being applied. It can be reverted once it has ended."),
    marked("The customer does not exist."),
    # The database
    marked("The database is away or busy. Nothing was changed; try again in a moment."),
    marked("The database has no tables yet. Run: flask db upgrade"),
    marked(
        "The database has the encoding %(encoding)s, which cannot store all text. Create one with "
        "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and set DATABASE_URL to it."
    ),
    # Jobs
    marked("There is no %(kind)s %(id)s, or it was deleted."),
    marked("This was started, applied or discarded already. Nothing changed."),
    marked("This can't be stopped any more. Once it is applied, you can undo it."),
    marked("This can't be continued: it was continued or undone already."),
    marked("There is no held change %(id)s, or it was decided."),
    marked("You requested this change: someone else has to approve it."),
    marked("This was superseded by a newer request of the same token. Nothing changed."),
    marked("Superseded by job %(id)s, a newer request of the same token. Nothing was applied."),
    marked("Rejected by an operator."),
    marked("Rejected by an operator: %(text)s"),
    marked("Internal error; see the server's log."),
    marked(
        "Failed after %(count)s attempts: each time the server stopped, or the database was unavailable, full or busy."
    ),
    marked("%(reason)s Nothing changed."),
    marked("%(reason)s Nothing was applied."),
    marked("%(reason)s %(count)s customers were applied before."),
    marked("This is scheduled. Cancel it instead."),
    marked("Must not be in the past."),
    marked("Must be later than the moment at which it is applied."),
    marked("Only imports and bulk edits can be scheduled."),
    marked("Must be within %(count)s days after it is applied: history is kept for so long."),
    marked("Missed: the moments to apply it and to undo it have both passed before it could be applied."),
    marked("The undo has begun already. Nothing changed."),
    marked("There is nothing to undo: nothing was applied."),
    marked("no longer exists"),
    marked("was created meanwhile"),
    marked("changed after the preview"),
    marked("changed after the moment of the request"),
    marked("changed later"),
    marked("has another value of a type that takes one"),
    marked("would have too many segments"),
    # Files
    marked("The server's disk is full."),
    marked("The file is empty."),
    marked("The file cannot be read: %(error)s."),
    marked("The file is not JSON: %(error)s."),
    marked("The JSON is nested more than %(count)s levels deep."),
    marked("The first line is not CSV: %(reason)s"),
    marked("%(path)s cannot be opened: %(error)s."),
    marked("The uncompressed file exceeds %(count)s bytes. Split it."),
    marked("The workbook can't be read. In your spreadsheet choose Save as › CSV UTF-8, then upload that file."),
    marked("The workbook has no sheets."),
    marked("Workbooks aren't read here. Send CSV or JSON Lines."),
    marked("The workbook has no such sheet."),
    marked(
        "The workbook is larger than %(count)s MB, or would be too large when unpacked. "
        "In your spreadsheet choose Save as › CSV UTF-8, then upload that file."
    ),
    marked("This isn't a text file. Upload CSV or JSON Lines."),
    marked("JSON must be UTF-8; this file is %(encoding)s. Save it as UTF-8."),
    marked("The first line has %(count)s columns; at most %(maximum)s are supported."),
    marked("A column name is longer than %(count)s characters. Does the file have a header row?"),
    marked("Not valid JSON; read as CSV: %(reason)s"),
    marked("Choose which column is the ID (document_id)."),
    marked("Two columns are matched to %(column)s."),
    marked("Match either the name or its parts, first name and last name."),
    marked("Match both a segment type and a segment value column."),
    marked("Match either one segment per row (type and value) or all segments in one row, not both."),
    marked("Windows (Western Europe)"),
    marked("Mac (Western Europe)"),
    marked("DOS (Western Europe)"),
    marked("UTF-16 LE (no BOM)"),
    marked("UTF-16 BE (no BOM)"),
    marked("A row of the workbook is about an erased customer."),
    # Rejected rows
    marked("document_id is empty."),
    marked("type and value go together; leave both empty for no segments."),
    marked("Must be JSON: %(shape)s."),
    marked("Another row of this customer has an error."),
    marked("Is not in the list of values of its type."),
    marked("A customer can have only one value of this type."),
    marked("A customer can have at most %(count)s segments (MAX_SEGMENTS_PER_CUSTOMER)."),
    marked("Takes one value: replace it, do not add to it."),
    marked("Longer than %(count)s bytes."),
    marked("Invalid JSON: %(error)s."),
    marked("Invalid CSV: %(error)s."),
    marked("Invalid CSV: %(error)s; everything up to line %(line)s was read as one row."),
    marked("%(count)s columns, expected %(expected)s."),
    marked("Contains the character U+0000."),
    marked("Not %(encoding)s: choose another encoding for the file."),
    marked("Required."),
    marked("Are changed by the actions replace, merge and remove."),
    marked("Is not one of the types that the job may change."),
    marked("U+0000 and lone surrogates cannot be stored."),
    # marshmallow
    marked("Missing data for required field."),
    marked("Field may not be null."),
    marked("Invalid input type."),
    marked("Not a valid list."),
    marked("Not a valid string."),
    marked("Length must be between %(minimum)s and %(maximum)s."),
    marked("Longer than maximum length %(maximum)s."),
    marked("More than %(count)s rows have errors; the last one: %(row_error)s"),
)

NOTES = (
    marked("Changes the document_id of a customer"),
    marked("Import of %(name)s"),
    marked("Import %(id)s: %(name)s"),
    marked("Reverts change #%(id)s for this customer"),
    marked("Sample data"),
    marked("Scheduled undo of change #%(id)s"),
    marked("Adds %(segments)s"),
    marked("Removes %(segments)s"),
    marked("Replaces all segments with %(segments)s"),
    marked("Removes all segments"),
    marked("Renames %(renames)s"),
    marked("Renames %(renames)s and %(count)s more"),
)
"""Notes that the service itself writes at a change; others are words of its users."""


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(translate_domain_text, "translated")
    blueprint.add_app_template_filter(translate_note)
    blueprint.add_app_template_filter(translate_row_error)


def translate_domain_text(text: str) -> str:
    """Return an English text of the domain in the operator's language; unchanged if no template matches it."""
    return _translate(text, TEXTS)


def translate_note(note: str) -> str:
    """Return the note of a change, in the operator's language if the service wrote it; a reason after it stays."""
    written, separator, reason = note.partition(REASON_SEPARATOR)
    return _translate(written, NOTES) + separator + reason


def _translate(text: str, templates: tuple[str, ...]) -> str:
    for template, pattern in _patterns(templates):
        match = pattern.fullmatch(text)
        if match:
            values = {name: _translate_value(name, value) for name, value in match.groupdict().items()}
            return str(gettext(template, **values)) if values else str(gettext(template))
    return text


def _translate_value(name: str, value: str) -> str:
    if name == "reason":
        return translate_domain_text(value)
    if name == "row_error":
        return translate_row_error(value)
    return number(int(value.replace(",", ""))) if _GROUPED_NUMBER.fullmatch(value) else value


def translate_row_error(error: str) -> str:
    """Return the reasons of a rejected row, `path: text; path: text`, in the operator's language."""
    translated = _translate_reason(error)
    return translated if translated != error else "; ".join(map(_translate_reason, error.split("; ")))


def _translate_reason(error: str) -> str:
    path, colon, text = error.partition(": ")
    if colon and _PATH.fullmatch(path):
        return f"{path}: {translate_domain_text(text)}"
    return translate_domain_text(error)


@cache
def _patterns(templates: tuple[str, ...]) -> list[tuple[str, re.Pattern[str]]]:
    """Return each template and what it matches, the one with the longest literal text first."""
    longest_first = sorted(templates, key=lambda text: -len(_PLACEHOLDER.sub("", text)))
    return [(template, _pattern(template)) for template in longest_first]


def _pattern(template: str) -> re.Pattern[str]:
    literals = _PLACEHOLDER.split(template)
    parts = [re.escape(part) if n % 2 == 0 else f"(?P<{part}>.+)" for n, part in enumerate(literals)]
    return re.compile("".join(parts), re.DOTALL)
