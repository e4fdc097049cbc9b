"""The operator's own account: password and sessions."""

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import DataRequired, EqualTo

from app.access.authentication import AccountLocked, InvalidCredentials, change_password, end_session, list_sessions
from app.access.operators import MIN_PASSWORD_LENGTH, InvalidPassword
from app.pages import blueprint
from app.pages.auth import current_operator, current_session, require_role


class PasswordForm(FlaskForm):  # type: ignore[misc]
    present = PasswordField("Present password", [DataRequired("Enter your present password.")])
    new = PasswordField(
        "New password", [DataRequired("Choose a password.")], description=f"At least {MIN_PASSWORD_LENGTH} characters."
    )
    again = PasswordField("New password again", [EqualTo("new", "The two are not the same.")])


@blueprint.route("/account", methods=["GET", "POST"])
@require_role("viewer")
def account() -> Any:
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            change_password(current_session(), form.present.data, form.new.data)
        except (InvalidCredentials, AccountLocked) as refusal:
            form.present.errors = [str(refusal)]
        except InvalidPassword as refusal:
            form.new.errors = [str(refusal)]
        else:
            flash("Your password is changed. Your other sessions have ended.")
            return redirect(url_for("pages.account"))
    return render_template(
        "account.html",
        form=form,
        sessions=list_sessions(current_operator().id),
        this_session=current_session().session_id,
    )


@blueprint.post("/account/sessions/<number:session_id>/end")
@require_role("viewer")
def end_own_session(session_id: int) -> Any:
    end_session(current_operator().id, session_id)
    flash("That session has ended.")
    return redirect(url_for("pages.account"))
