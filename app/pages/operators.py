"""Operators: invited by a link, given a role, let in or not. For admins."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import EmailField, SelectField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, Regexp

from app.access.operators import (
    ROLES,
    LastAdmin,
    Operator,
    get_operator,
    invite_operator,
    list_operators,
    reissue_invitation,
    set_active,
    set_role,
)
from app.core.errors import DuplicateName
from app.pages import blueprint
from app.pages.auth import require_role

ROLE_DESCRIPTIONS = {
    "viewer": "sees everything but tokens and operators",
    "editor": "also changes segments",
    "admin": "also manages tokens and operators",
}


CHOICES = [SelectChoice(role, f"{role} — {may}") for role, may in ROLE_DESCRIPTIONS.items()]


class InvitationForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(
        "E-mail",
        [DataRequired("Enter an e-mail."), Length(max=254), Regexp(r"[^@\s]+@[^@\s]+$", message="Not an e-mail.")],
    )
    role = SelectField(
        "Role", choices=[SelectChoice(role, f"{role} — {ROLE_DESCRIPTIONS[role]}") for role in ROLES], default="editor"
    )


@blueprint.route("/operators", methods=["GET", "POST"])
@require_role("admin")
def operators() -> Any:
    form = InvitationForm()
    if form.validate_on_submit():
        try:
            secret = invite_operator(form.email.data, form.role.data)
            return _invitation(form.email.data, secret)
        except DuplicateName as refusal:
            form.email.errors = [str(refusal)]
    return render_template("operators.html", form=form, operators=list_operators(), roles=ROLES)


def _invitation(email: str, secret: str) -> str:
    """The link is in no other answer: what is kept is its hash."""
    link = url_for("pages.sign_in", invitation=secret, _external=True)
    return render_template("invitation_link.html", email=email, link=link)


@blueprint.post("/operators/<number:operator_id>/<any('role', 'deactivate', 'activate', 'invite'):act>")
@require_role("admin")
def change_operator(operator_id: int, act: str) -> Any:
    operator = get_operator(operator_id)
    email = operator.email
    if act == "invite":
        return _invitation(email, reissue_invitation(operator_id))
    try:
        flash(_changed(operator, act))
    except LastAdmin as refusal:
        flash(f"{refusal} Nothing was changed.", "problem")
    return redirect(url_for("pages.operators"))


def _changed(operator: Operator, act: str) -> str:
    if act == "role":
        role = request.form.get("role", "")
        if role not in ROLES:
            return "Nothing was changed: choose a role."
        set_role(operator.id, role)
        return f"{operator.email} is {role} now."
    set_active(operator.id, act == "activate")
    return f"{operator.email} can {'sign in again' if act == 'activate' else 'no longer sign in, and is signed out'}."
