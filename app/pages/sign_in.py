"""Signing in and out, and accepting an invitation."""

from typing import Any

from flask import flash, g, redirect, render_template, request, session, url_for
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import DataRequired

from app.access import authentication
from app.access.authentication import AccountLocked, InvalidCredentials
from app.access.invitations import accept_invitation, get_invitation
from app.access.passwords import MIN_PASSWORD_LENGTH, InvalidPassword
from app.access.sessions import end_session
from app.pages import blueprint
from app.pages.auth import PUBLIC, SESSION_KEY, current_session, require_role, safe_next

MAX_BROWSER_LENGTH = 200


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = EmailField("Email", [DataRequired("Enter your email.")])
    password = PasswordField("Password", [DataRequired("Enter your password.")])


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(
        "New password", [DataRequired("Enter a password.")], description=f"At least {MIN_PASSWORD_LENGTH} characters."
    )


@blueprint.route("/sign-in", methods=["GET", "POST"])
@require_role(PUBLIC)
def sign_in() -> Any:
    if "invitation" in request.args:
        return _accept(request.args["invitation"])
    if g.current_session and request.method == "GET":
        return redirect(safe_next(request.args.get("next")))
    form, status = SignInForm(), 200
    if form.validate_on_submit():
        try:
            return _sign_in_with(form.email.data, form.password.data)
        except (InvalidCredentials, AccountLocked) as error:
            form.password.errors = [str(error)]
            status = 429 if isinstance(error, AccountLocked) else 403
    return render_template("sign_in.html", form=form), status


def _sign_in_with(email: str, password: str) -> Any:
    secret = authentication.sign_in(email, password, _browser())
    session.clear()  # against session fixation: nothing set before the sign-in remains
    session[SESSION_KEY] = secret
    return redirect(safe_next(request.args.get("next")))


def _browser() -> str:
    """Return the browser's user agent, by which the operator tells sessions apart."""
    return (request.user_agent.string or "unknown browser")[:MAX_BROWSER_LENGTH]


def _accept(invitation: str) -> Any:
    operator = get_invitation(invitation)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            email = accept_invitation(invitation, form.password.data)
            return _sign_in_with(email, form.password.data)
        except InvalidPassword as error:
            form.password.errors = [str(error)]
    return render_template("accept_invitation.html", form=form, operator=operator)


@blueprint.post("/sign-out")
@require_role("viewer")
def sign_out() -> Any:
    end_session(current_session().operator.id, current_session().session_id)
    session.clear()
    flash("You've signed out.")
    return redirect(url_for("pages.sign_in"))
