"""The operator's own account: password and sessions."""

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import DataRequired, EqualTo

from app.access.authentication import LockedOut, WrongPassword, change_password, end_session, sessions_of
from app.access.operators import SHORTEST_PASSWORD, UnfitPassword
from app.pages import blueprint
from app.pages.auth import at_work, me, open_to


class PasswordForm(FlaskForm):  # type: ignore[misc]
    present = PasswordField("Present password", [DataRequired("Enter your present password.")])
    new = PasswordField(
        "New password", [DataRequired("Choose a password.")], description=f"At least {SHORTEST_PASSWORD} characters."
    )
    again = PasswordField("New password again", [EqualTo("new", "The two are not the same.")])


@blueprint.route("/account", methods=["GET", "POST"])
@open_to("viewer")
def account() -> Any:
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            change_password(at_work(), form.present.data, form.new.data)
        except (WrongPassword, LockedOut) as refusal:
            form.present.errors = [str(refusal)]
        except UnfitPassword as refusal:
            form.new.errors = [str(refusal)]
        else:
            flash("Your password is changed. Your other sessions have ended.")
            return redirect(url_for("pages.account"))
    return render_template("account.html", form=form, sessions=sessions_of(me().id), this_session=at_work().session_id)


@blueprint.post("/account/sessions/<number:session_id>/end")
@open_to("viewer")
def end_own_session(session_id: int) -> Any:
    end_session(me().id, session_id)
    flash("That session has ended.")
    return redirect(url_for("pages.account"))
