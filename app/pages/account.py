"""The operator's own account: password and sessions."""

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import DataRequired, EqualTo

from app.access.authentication import AccountLocked, InvalidCredentials, change_password
from app.access.passwords import MIN_PASSWORD_LENGTH, InvalidPassword
from app.access.sessions import end_session, list_sessions
from app.pages import blueprint
from app.pages.auth import current_operator, current_session, require_role


class PasswordForm(FlaskForm):  # type: ignore[misc]
    current_password = PasswordField("Current password", [DataRequired("Enter your current password.")])
    new_password = PasswordField(
        "New password", [DataRequired("Enter a password.")], description=f"At least {MIN_PASSWORD_LENGTH} characters."
    )
    confirmation = PasswordField("Confirm new password", [EqualTo("new_password", "Passwords don't match.")])


@blueprint.route("/account", methods=["GET", "POST"])
@require_role("viewer")
def account() -> Any:
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            change_password(current_session(), form.current_password.data, form.new_password.data)
        except (InvalidCredentials, AccountLocked) as error:
            form.current_password.errors = [str(error)]
        except InvalidPassword as error:
            form.new_password.errors = [str(error)]
        else:
            flash("Password changed. Other sessions were signed out.")
            return redirect(url_for("pages.account"))
    return render_template(
        "account.html",
        form=form,
        sessions=list_sessions(current_operator().id),
        current_session_id=current_session().session_id,
    )


@blueprint.post("/account/sessions/<number:session_id>/end")
@require_role("viewer")
def end_own_session(session_id: int) -> Any:
    end_session(current_operator().id, session_id)
    flash("Session signed out.")
    return redirect(url_for("pages.account"))
