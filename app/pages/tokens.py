"""API tokens: create, show once, limit, inspect, rotate and revoke them. For admins."""

from datetime import datetime, timedelta
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from app.access.api_tokens import (
    SCOPES,
    ApiToken,
    create_token,
    get_token,
    list_tokens,
    rotate_token,
    update_token,
)
from app.access.ip_allowlist import InvalidNetwork, parse_networks
from app.access.token_request_log import MAX_KEPT, list_requests
from app.access.token_rules import GUARD_FIELDS
from app.core.changes.guard import Guard
from app.core.database import now
from app.core.errors import DuplicateName
from app.jobs.revoked_tokens import revoke_token
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.checkboxes import Checkboxes
from app.pages.domain_texts import translate_domain_text
from app.pages.rotation import RotationForm
from app.pages.segment_type_lines import are_types, types_of
from app.pages.template_filters import local_day, number

SCOPE_DESCRIPTIONS = {
    "segments:read": lazy_gettext("Read segments"),
    "segments:write": lazy_gettext("Edit segments and undo changes"),
    "customers:read": lazy_gettext("Read customers"),
    "customers:write": lazy_gettext("Create and edit customers"),
    "changes:read": lazy_gettext("Read the change feed"),
    "customers:erase": lazy_gettext("Erase customers for good"),
    "webhooks:write": lazy_gettext("Manage webhooks"),
}
EXPIRES = {
    "30": lazy_gettext("In 30 days"),
    "90": lazy_gettext("In 90 days"),
    "365": lazy_gettext("In a year"),
    "": lazy_gettext("Never"),
}
UNCHANGED = "unchanged"


class LimitsForm(FlaskForm):  # type: ignore[misc]
    """The limits of a token within its scopes."""

    guard_customers = IntegerField(
        lazy_gettext("Max. customers emptied per request"),
        [Optional(), NumberRange(0, 1_000_000_000, lazy_gettext("Must be 0 or more."))],
        description=lazy_gettext(
            "Requests that remove all segments from more customers than this are rejected. Leave empty for no limit."
        ),
    )
    guard_percent = IntegerField(
        lazy_gettext("Max. % of customers emptied per request"),
        [Optional(), NumberRange(0, 100, lazy_gettext("Must be 0 to 100."))],
        description=lazy_gettext("20 is a good value for nightly syncs."),
    )
    guard_floor = IntegerField(
        lazy_gettext("Only if more customers than"),
        [Optional(), NumberRange(0, 1_000_000_000, lazy_gettext("Must be 0 or more."))],
        description=lazy_gettext("Small requests never exceed a limit. Leave empty for no exception."),
    )
    guard_holds = BooleanField(
        lazy_gettext("Hold for approval"),
        description=lazy_gettext(
            "Requests over the limit wait until someone in your team approves them, and cannot be overridden."
        ),
    )
    guard_warn_customers = IntegerField(
        lazy_gettext("Warn above customers emptied"),
        [Optional(), NumberRange(0, 1_000_000_000, lazy_gettext("Must be 0 or more."))],
        description=lazy_gettext("Such requests are applied, and marked among the recent requests."),
    )
    guard_warn_percent = IntegerField(
        lazy_gettext("Warn above % of customers emptied"),
        [Optional(), NumberRange(0, 100, lazy_gettext("Must be 0 to 100."))],
    )
    networks = TextAreaField(
        lazy_gettext("Allowed IP addresses"),
        description=lazy_gettext("One per line, such as 203.0.113.0/24 or 2001:db8::/32. Leave empty to allow any."),
    )
    types = TextAreaField(
        lazy_gettext("Segment types"),
        [are_types],
        description=lazy_gettext(
            "One per line, such as membership. Segments of other types stay as they are. Leave empty to allow all."
        ),
    )

    strict = BooleanField(
        lazy_gettext("Obey the rules of segment types"),
        description=lazy_gettext("Requests with values that a rule doesn't allow are rejected."),
    )

    def validate_networks(self, field: Field) -> None:
        try:
            parse_networks(self.allowed_networks())
        except InvalidNetwork as error:
            raise ValidationError(translate_domain_text(str(error))) from None

    def allowed_networks(self) -> list[str]:
        return (self.networks.data or "").replace(",", "\n").split("\n")

    def has_limit_errors(self) -> bool:
        return any(name.startswith("guard_") or name in ("networks", "types") for name in self.errors)

    def guard(self) -> Guard:
        return Guard(**{name: self[f"guard_{name}"].data for name in GUARD_FIELDS})


class TokenForm(LimitsForm):
    name = StringField(
        lazy_gettext("Name"),
        [
            DataRequired(lazy_gettext("Enter a name.")),
            Length(max=100, message=lazy_gettext("At most %(count)s characters.", count=100)),
        ],
        description=lazy_gettext("E.g. crm-nightly. Shown next to every change made with this token."),
    )
    scopes = Checkboxes(
        lazy_gettext("Permissions"),
        [DataRequired(lazy_gettext("Select at least one permission."))],
        choices=[SelectChoice(*choice) for choice in SCOPE_DESCRIPTIONS.items()],
        default=["segments:write"],
    )
    expires = SelectField(
        lazy_gettext("Expires"), choices=[SelectChoice(*choice) for choice in EXPIRES.items()], default="365"
    )

    def expires_in(self) -> timedelta | None:
        return timedelta(days=int(self.expires.data)) if self.expires.data else None


class TokenLimitsForm(LimitsForm):
    expires = SelectField(lazy_gettext("Expires"), default=UNCHANGED)

    def __init__(self, token: ApiToken) -> None:
        super().__init__(
            **{f"guard_{name}": getattr(token, f"guard_{name}") for name in GUARD_FIELDS},
            networks="\n".join(token.networks),
            types="\n".join(token.types),
            strict=token.strict,
        )
        unchanged = _("Keep %(day)s", day=local_day(token.expires_at)) if token.expires_at else lazy_gettext("Never")
        choices = {days: text for days, text in EXPIRES.items() if days or token.expires_at}
        self.expires.choices = [SelectChoice(*choice) for choice in {UNCHANGED: unchanged, **choices}.items()]

    def expires_at(self, current: datetime | None) -> datetime | None:
        days = self.expires.data
        if days == UNCHANGED:
            return current
        return now() + timedelta(days=int(days)) if days else None


@blueprint.route("/tokens", methods=["GET", "POST"])
@require_role("admin")
def tokens() -> Any:
    form = TokenForm()
    if form.validate_on_submit():
        try:
            return _create(form)
        except DuplicateName as error:
            form.name.errors = [translate_domain_text(str(error))]
    return render_template("tokens.html", form=form, tokens=list_tokens())


def _create(form: TokenForm) -> str:
    """Return the only page that contains the secret: only its hash is stored."""
    scopes = tuple(scope for scope in SCOPES if scope in form.scopes.data)
    networks, types = form.allowed_networks(), types_of(form.types)
    limits = {"networks": networks, "types": types, "strict": form.strict.data}
    secret = create_token(form.name.data, scopes, form.expires_in(), form.guard(), **limits)
    return render_template("token_created.html", name=form.name.data, secret=secret, scopes=scopes, types=types)


@blueprint.route("/tokens/<number:token_id>", methods=["GET", "POST"])
@require_role("admin")
def token(token_id: int) -> Any:
    token = get_token(token_id)
    form = TokenLimitsForm(token)
    if form.validate_on_submit():
        expires_at = form.expires_at(token.expires_at)
        networks, types, strict = form.allowed_networks(), types_of(form.types), form.strict.data
        update_token(token_id, form.guard(), networks, types, expires_at, strict=strict)
        flash(_("Saved. Applies to the next request."))
        return redirect(url_for("pages.token", token_id=token_id))
    return render_template(
        "token.html",
        token=token,
        form=form,
        scope_descriptions=SCOPE_DESCRIPTIONS,
        requests=list_requests(token_id),
        max_requests=MAX_KEPT,
    )


@blueprint.route("/tokens/<number:token_id>/rotate", methods=["GET", "POST"])
@require_role("admin")
def token_rotate(token_id: int) -> Any:
    token = get_token(token_id)
    form = RotationForm()
    if form.validate_on_submit():
        secret = rotate_token(token_id, form.duration())
        token = get_token(token_id)
        return render_template(
            "token_created.html",
            name=token.name,
            secret=secret,
            scopes=tuple(token.scopes),
            types=token.types,
            token=token,
        )
    return render_template(
        "secret_rotate.html",
        form=form,
        title=_("Rotate the secret of %(name)s?", name=token.name),
        explanation=_("The new secret is shown once. The token's name, limits and history stay."),
        rotating=token,
        cancel_url=url_for("pages.token", token_id=token_id),
    )


@blueprint.route("/tokens/<number:token_id>/revoke", methods=["GET", "POST"])
@require_role("admin")
def token_revoke(token_id: int) -> Any:
    token = get_token(token_id)
    form = FlaskForm()
    if form.validate_on_submit():
        cancelled = revoke_token(token.name)
        flash(_("Token %(name)s revoked.", name=token.name))
        if cancelled:
            flash(ngettext("%(count)s job canceled.", "%(count)s jobs canceled.", cancelled, count=number(cancelled)))
        return redirect(url_for("pages.tokens"))
    return render_template("token_revoke.html", token=token, form=form)
