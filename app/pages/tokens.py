"""Tokens for API callers: made, shown once, limited, watched, rotated, revoked. For admins."""

from datetime import datetime, timedelta
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from wtforms import Field, IntegerField, SelectField, SelectMultipleField, StringField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from app.access.api_tokens import (
    SCOPES,
    ApiToken,
    create_token,
    get_token,
    list_tokens,
    revoke_token,
    rotate_token,
    update_token,
)
from app.access.ip_allowlist import InvalidNetwork, parse_networks
from app.access.token_request_log import MAX_KEPT, list_requests
from app.core.changes.replace_segments import Guard
from app.core.database import now
from app.core.errors import DuplicateName
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.rotation import RotationForm
from app.pages.template_filters import day

SCOPE_DESCRIPTIONS = {
    "segments:read": "read segments and the catalogue",
    "segments:write": "replace, add and remove segments; undo",
    "customers:read": "list and search customers",
    "customers:write": "create and update customers",
    "changes:read": "follow the changes",
}
EXPIRES = {"30": "in 30 days", "90": "in 90 days", "365": "in a year", "": "never"}
UNCHANGED = "as-it-is"


class Checkboxes(SelectMultipleField):  # type: ignore[misc]
    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class LimitsForm(FlaskForm):  # type: ignore[misc]
    """What a token must not do although its scopes allow it."""

    guard_customers = IntegerField(
        "Customers who may lose all their segments",
        [Optional(), NumberRange(0, 1_000_000_000, "Must be 0 or more.")],
        description="A request by which more would is refused. Any number may, if empty.",
    )
    guard_percent = IntegerField(
        "The same, in percent of the customers sent",
        [Optional(), NumberRange(0, 100, "Must be 0 to 100.")],
        description="20 is a good start for a nightly file: one whose segments got lost is refused.",
    )
    networks = TextAreaField(
        "May be used from",
        description="Addresses or networks, one a line, such as 203.0.113.0/24 or 2001:db8::/32. Anywhere, if empty.",
    )

    def validate_networks(self, field: Field) -> None:
        try:
            parse_networks(self.lines())
        except InvalidNetwork as refusal:
            raise ValidationError(str(refusal)) from None

    def lines(self) -> list[str]:
        return (self.networks.data or "").replace(",", "\n").split("\n")

    def guard(self) -> Guard:
        return Guard(self.guard_customers.data, self.guard_percent.data)


class TokenForm(LimitsForm):
    name = StringField(
        "Name",
        [DataRequired("Give it a name."), Length(max=100)],
        description="Who calls with it, such as crm-nightly. It stands beside each change.",
    )
    scopes = Checkboxes(
        "May",
        [DataRequired("Choose at least one.")],
        choices=[SelectChoice(*choice) for choice in SCOPE_DESCRIPTIONS.items()],
        default=["segments:write"],
    )
    expires = SelectField("Expires", choices=[SelectChoice(*choice) for choice in EXPIRES.items()], default="365")

    def expires_in(self) -> timedelta | None:
        return timedelta(days=int(self.expires.data)) if self.expires.data else None


class ChangeForm(LimitsForm):
    expires = SelectField("Expires", default=UNCHANGED)

    def __init__(self, token: ApiToken) -> None:
        super().__init__(
            guard_customers=token.guard_customers,
            guard_percent=token.guard_percent,
            networks="\n".join(token.networks),
        )
        present = f"{day(token.expires_at.date())}, as it is" if token.expires_at else "never, as it is"
        others = {days: text for days, text in EXPIRES.items() if days or token.expires_at}
        self.expires.choices = [SelectChoice(*choice) for choice in {UNCHANGED: present, **others}.items()]

    def expires_at(self, present: datetime | None) -> datetime | None:
        days = self.expires.data
        if days == UNCHANGED:
            return present
        return now() + timedelta(days=int(days)) if days else None


@blueprint.route("/tokens", methods=["GET", "POST"])
@require_role("admin")
def tokens() -> Any:
    form = TokenForm()
    if form.validate_on_submit():
        try:
            return _created(form)
        except DuplicateName as refusal:
            form.name.errors = [str(refusal)]
    return render_template("tokens.html", form=form, tokens=list_tokens(), opens=SCOPE_DESCRIPTIONS)


def _created(form: TokenForm) -> str:
    """The secret is in no other answer: what is kept is its hash."""
    scopes = tuple(scope for scope in SCOPES if scope in form.scopes.data)
    secret = create_token(form.name.data, scopes, form.expires_in(), form.guard(), form.lines())
    return render_template("token_created.html", name=form.name.data, secret=secret, scopes=scopes)


@blueprint.route("/tokens/<number:token_id>", methods=["GET", "POST"])
@require_role("admin")
def token(token_id: int) -> Any:
    token = get_token(token_id)
    form = ChangeForm(token)
    if form.validate_on_submit():
        update_token(token_id, form.guard(), form.lines(), form.expires_at(token.expires_at))
        flash(f"Saved. It holds from the next request with {token.name} on.")
        return redirect(url_for("pages.token", token_id=token_id))
    return render_template(
        "token.html",
        token=token,
        form=form,
        opens=SCOPE_DESCRIPTIONS,
        requests=list_requests(token_id),
        most_requests=MAX_KEPT,
    )


@blueprint.route("/tokens/<number:token_id>/rotate", methods=["GET", "POST"])
@require_role("admin")
def rotate_token_(token_id: int) -> Any:
    token = get_token(token_id)
    form = RotationForm()
    if form.validate_on_submit():
        secret = rotate_token(token_id, form.time())
        token = get_token(token_id)
        return render_template(
            "token_created.html", name=token.name, secret=secret, scopes=tuple(token.scopes), token=token
        )
    return render_template("token_rotate.html", token=token, form=form)


@blueprint.route("/tokens/<number:token_id>/revoke", methods=["GET", "POST"])
@require_role("admin")
def revoke_token_(token_id: int) -> Any:
    token = get_token(token_id)
    form = FlaskForm()
    if form.validate_on_submit():
        revoke_token(token.name)
        flash(f"The token {token.name} opens nothing any more.")
        return redirect(url_for("pages.tokens"))
    return render_template("token_revoke.html", token=token, form=form)
