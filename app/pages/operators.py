"""The team: invite operators, set their role, deactivate and reactivate them. For admins."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import EmailField, SelectField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired

from app.access.email_addresses import InvalidEmail
from app.access.invitations import invite_operator, reissue_invitation
from app.access.operators import ROLES, LastAdmin, Operator, get_operator, list_operators, set_active, set_role
from app.access.passkeys import list_passkeys
from app.access.second_factor import has_totp, reset_second_factor
from app.access.sessions import end_session, end_sessions, list_sessions
from app.core.errors import DuplicateName
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.domain_texts import translate_domain_text
from app.pages.role_texts import ROLE_TEXTS


class InvitationForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(lazy_gettext("Email"), [DataRequired(lazy_gettext("Enter a valid email."))])
    role = SelectField(
        lazy_gettext("Role"),
        choices=[SelectChoice(role, texts.description) for role, texts in ROLE_TEXTS.items()],
        default="editor",
    )


@blueprint.route("/operators", methods=["GET", "POST"])
@require_role("admin")
def operators() -> Any:
    form = InvitationForm()
    if form.validate_on_submit():
        try:
            secret = invite_operator(form.email.data, form.role.data)
            return _show_link(form.email.data, secret)
        except (InvalidEmail, DuplicateName) as error:
            form.email.errors = [translate_domain_text(str(error))]
    return render_template("operators.html", form=form, operators=list_operators(), roles=ROLES)


def _show_link(email: str, secret: str) -> str:
    """Return the only page that contains the link: of its secret, only a hash is stored."""
    link = url_for("pages.sign_in", invitation=secret, _external=True)
    return render_template("invitation_link.html", email=email, link=link)


ACTIONS = ("role", "deactivate", "activate", "invite", "sign-out", "reset-second-factor")


@blueprint.post(f"/operators/<number:operator_id>/<any{ACTIONS}:action>")
@require_role("admin")
def change_operator(operator_id: int, action: str) -> Any:
    operator = get_operator(operator_id)
    email = operator.email
    if action == "invite":
        return _show_link(email, reissue_invitation(operator_id))
    try:
        flash(_apply_action(operator, action))
    except LastAdmin as error:
        flash(translate_domain_text(f"{error} Nothing was changed."), "problem")
    one_operator = action in ("sign-out", "reset-second-factor")
    return redirect(url_for("pages.operator", operator_id=operator_id) if one_operator else url_for("pages.operators"))


@blueprint.get("/operators/<number:operator_id>")
@require_role("admin")
def operator(operator_id: int) -> Any:
    """One operator: role, second factor and sessions."""
    return render_template(
        "operator.html",
        operator=get_operator(operator_id),
        sessions=list_sessions(operator_id),
        has_totp=has_totp(operator_id),
        passkeys=list_passkeys(operator_id),
    )


@blueprint.post("/operators/<number:operator_id>/sessions/<number:session_id>/end")
@require_role("admin")
def end_operator_session(operator_id: int, session_id: int) -> Any:
    end_session(operator_id, session_id, target=get_operator(operator_id).email)
    flash(_("Session signed out."))
    return redirect(url_for("pages.operator", operator_id=operator_id))


def _apply_action(operator: Operator, action: str) -> Any:
    """Apply the action and return the message to show."""
    if action == "role":
        role = request.form.get("role", "")
        if role not in ROLES:
            return _("Choose a role. Nothing was changed.")
        set_role(operator.id, role)
        return ROLE_TEXTS[role].assigned % {"email": operator.email}
    if action == "sign-out":
        end_sessions(operator.id, operator.email)
        return _("%(email)s was signed out everywhere.", email=operator.email)
    if action == "reset-second-factor":
        reset_second_factor(operator.id, operator.email)
        return _("The second factor of %(email)s was removed.", email=operator.email)
    set_active(operator.id, action == "activate")
    if action == "activate":
        return _("%(email)s was reactivated.", email=operator.email)
    return _("%(email)s was deactivated and signed out.", email=operator.email)
