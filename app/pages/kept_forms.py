"""Edits that outlive a session: a form that arrives after its session ended is shown again after the next sign-in.

The form travels in a hidden field through the pages of the sign-in, encrypted and bound to its operator; the server
stores nothing. Afterwards it is shown as it was, filled in and not sent.
"""

import base64
import zlib
from dataclasses import asdict, dataclass

import orjson
from flask import current_app, flash, g, redirect, render_template, request, session
from flask_babel import gettext as _
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.wrappers import Response

from app.core.encryption import Cipher, SecretKeyLost
from app.pages.auth import OPERATOR_KEY, current_operator
from app.web.secret_keys import secret_keys
from app.web.server_environ import HEADERS_ONLY

FIELD = "kept_form"
RESTORE = "restore"
"""The `action` of a form that is shown again: no button has it, so nothing is done."""
MAX_LENGTH = 490_000
"""Of the encrypted field. Flask accepts forms of 500,000 bytes."""


@dataclass(frozen=True)
class KeptForm:
    """A form that an operator sent to the URL."""

    operator_id: int
    url: str
    fields: list[tuple[str, str]]

    def seal(self) -> str:
        packed = zlib.compress(orjson.dumps(asdict(self)))
        return _cipher().encrypt(base64.b64encode(packed).decode())

    @classmethod
    def unseal(cls, text: str) -> "KeptForm | None":
        """Return the form, or None for a text that is not encrypted under a key of the service."""
        try:
            packed = _cipher().decrypt(text)
        except SecretKeyLost:
            return None
        return cls(**orjson.loads(zlib.decompress(base64.b64decode(packed))))


def _cipher() -> Cipher:
    return Cipher(secret_keys(), "kept forms")


def submitted_form() -> str | None:
    """Return the form of a request whose session has ended, sealed; None if there is nothing to keep."""
    if g.current_session is not None or HEADERS_ONLY in request.environ or not _is_kept():
        return None
    kept = request.form.get(FIELD) or _seal_form(session.get(OPERATOR_KEY))
    return kept if kept is None or len(kept) <= MAX_LENGTH else None


def _is_kept() -> bool:
    view = current_app.view_functions[str(request.endpoint)]
    return request.method == "POST" and bool(vars(view)["keeps_edits"])


def this_url() -> str:
    return request.script_root + request.full_path.rstrip("?")


def _seal_form(operator_id: int | None) -> str | None:
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in ("csrf_token", "action")]
    return KeptForm(operator_id, this_url(), fields).seal() if operator_id is not None and fields else None


def offer_form(kept: str) -> Response | None:
    """Return the page after the sign-in that leads back to a kept form; None if it is another operator's."""
    form = KeptForm.unseal(kept)
    if form is None or form.operator_id != current_operator().id:
        flash(_("The edits of the session that ended belong to someone else. They were not restored."), "problem")
        return None
    return current_app.make_response(render_template("continue_editing.html", url=form.url, kept=kept))


def restore_form() -> Response | None:
    """Put a kept form in the place of the request's own, so that the view shows it."""
    if HEADERS_ONLY in request.environ or not _is_kept() or FIELD not in request.form:
        return None
    form = KeptForm.unseal(request.form[FIELD])
    if form is None or (form.operator_id, form.url) != (current_operator().id, this_url()):
        flash(_("The edits of the session that ended belong to someone else. They were not restored."), "problem")
        return redirect("/")
    token = request.form.get("csrf_token", "")
    fields = [(name, value) for name, value in form.fields]
    request.form = ImmutableMultiDict([*fields, ("action", RESTORE), ("csrf_token", token)])
    flash(_("You're signed in again. Your edits are here, but not saved yet."), "warning")
    return None


def rescue_form() -> Response | None:
    """Return the page that leads back to a form whose session ended before the one at hand began; None for others.

    That is the case after a sign-in in another tab: the form has the token of the former session.
    """
    if g.get("current_session") is None or not _is_kept():
        return None
    kept = request.form.get(FIELD)
    if kept is None and request.form.get("operator") == str(current_operator().id):
        kept = _seal_form(current_operator().id)
    return offer_form(kept) if kept and len(kept) <= MAX_LENGTH else None
