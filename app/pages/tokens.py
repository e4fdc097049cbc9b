"""Tokens for API callers: made, shown once, revoked. For admins."""

from datetime import timedelta
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from wtforms import SelectField, SelectMultipleField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from app.core.errors import NameTaken
from app.core.tokens import SCOPES, all_tokens, create_token, find_token, revoke_token
from app.pages import blueprint
from app.pages.guard import open_to

OPENS = {
    "segments:read": "read segments and the catalogue",
    "segments:write": "replace, add and remove segments; undo",
    "customers:read": "list and search customers",
    "customers:write": "create and update customers",
    "changes:read": "follow the changes",
}
EXPIRES = {"30": "in 30 days", "90": "in 90 days", "365": "in a year", "": "never"}


class Checkboxes(SelectMultipleField):  # type: ignore[misc]
    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class TokenForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        "Name",
        [DataRequired("Give it a name."), Length(max=100)],
        description="Who calls with it, such as crm-nightly. It stands beside each change.",
    )
    scopes = Checkboxes(
        "May",
        [DataRequired("Choose at least one.")],
        choices=[SelectChoice(*choice) for choice in OPENS.items()],
        default=["segments:write"],
    )
    expires = SelectField("Expires", choices=[SelectChoice(*choice) for choice in EXPIRES.items()], default="365")


@blueprint.route("/tokens", methods=["GET", "POST"])
@open_to("admin")
def tokens() -> Any:
    form = TokenForm()
    if form.validate_on_submit():
        try:
            return _created(form)
        except NameTaken as refusal:
            form.name.errors = [str(refusal)]
    return render_template("tokens.html", form=form, tokens=all_tokens(), opens=OPENS)


def _created(form: TokenForm) -> str:
    """The secret is in no other answer: what is kept is its hash."""
    days = form.expires.data
    scopes = tuple(scope for scope in SCOPES if scope in form.scopes.data)
    secret = create_token(form.name.data, scopes, timedelta(days=int(days)) if days else None)
    return render_template("token_created.html", name=form.name.data, secret=secret, scopes=scopes)


@blueprint.route("/tokens/<int:token_id>/revoke", methods=["GET", "POST"])
@open_to("admin")
def revoke_token_(token_id: int) -> Any:
    token = find_token(token_id)
    form = FlaskForm()
    if form.validate_on_submit():
        revoke_token(token.name)
        flash(f"The token {token.name} opens nothing any more.")
        return redirect(url_for("pages.tokens"))
    return render_template("token_revoke.html", token=token, form=form)
