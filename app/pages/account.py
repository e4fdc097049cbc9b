"""The operator's own account: password and sessions."""

from typing import Any

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import DataRequired, EqualTo

from app.access.authentication import InvalidCredentials, change_password, check_password
from app.access.passwords import InvalidPassword, TooManyPasswordChecks
from app.access.sessions import end_session, list_sessions
from app.access.sign_in_throttle import AccountLocked
from app.core.database import now
from app.core.limits import MIN_PASSWORD_LENGTH
from app.pages import blueprint
from app.pages.auth import (
    CONFIRMED_KEY,
    SESSION_KEY,
    client_address,
    current_operator,
    current_session,
    require_role,
    safe_next,
)
from app.pages.domain_texts import translate_domain_text


class PasswordForm(FlaskForm):  # type: ignore[misc]
    current_password = PasswordField(
        lazy_gettext("Current password"), [DataRequired(lazy_gettext("Enter your current password."))]
    )
    new_password = PasswordField(
        lazy_gettext("New password"),
        [DataRequired(lazy_gettext("Enter a password."))],
        description=lazy_gettext("At least %(count)s characters.", count=MIN_PASSWORD_LENGTH),
    )
    confirmation = PasswordField(
        lazy_gettext("Confirm new password"), [EqualTo("new_password", lazy_gettext("Passwords don't match."))]
    )


class ConfirmationForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(
        lazy_gettext("Current password"), [DataRequired(lazy_gettext("Enter your current password."))]
    )


@blueprint.route("/account", methods=["GET", "POST"])
@require_role("viewer")
def account() -> Any:
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            session[SESSION_KEY] = change_password(
                current_session(), form.current_password.data, form.new_password.data, client_address()
            )
        except (InvalidCredentials, AccountLocked, TooManyPasswordChecks) as error:
            form.current_password.errors = [translate_domain_text(str(error))]
        except InvalidPassword as error:
            form.new_password.errors = [translate_domain_text(str(error))]
        else:
            flash(_("Password changed. Other sessions were signed out."))
            return redirect(url_for("pages.account"))
    return render_template(
        "account.html",
        form=form,
        sessions=list_sessions(current_operator().id),
        current_session_id=current_session().session_id,
    )


@blueprint.route("/account/confirm-password", methods=["GET", "POST"])
@require_role("viewer", before_second_factor=True)
def confirm_password() -> Any:
    """Ask for the password again, before the second factor is changed."""
    form = ConfirmationForm()
    if form.validate_on_submit():
        try:
            check_password(current_session(), form.password.data, client_address())
        except (InvalidCredentials, AccountLocked, TooManyPasswordChecks) as error:
            form.password.errors = [translate_domain_text(str(error))]
        else:
            session[CONFIRMED_KEY] = now()
            return redirect(safe_next(request.args.get("next")))
    return render_template("confirm_password.html", form=form)


@blueprint.post("/account/sessions/<number:session_id>/end")
@require_role("viewer")
def end_own_session(session_id: int) -> Any:
    end_session(current_operator().id, session_id, target=current_operator().email)
    flash(_("Session signed out."))
    return redirect(url_for("pages.account"))
