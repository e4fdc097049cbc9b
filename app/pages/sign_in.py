"""Signing in and out, and taking up an invitation."""

from typing import Any

from flask import flash, g, redirect, render_template, request, session, url_for
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import DataRequired

from app.access import authentication as core
from app.access.authentication import LockedOut, WrongPassword
from app.access.operators import SHORTEST_PASSWORD, UnfitPassword, accept_invitation, invited
from app.pages import blueprint
from app.pages.auth import ANYBODY, SECRET, at_work, open_to, safe_next

LONGEST_NAME = 200


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = EmailField("E-mail", [DataRequired("Enter your e-mail.")])
    password = PasswordField("Password", [DataRequired("Enter your password.")])


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(
        "New password", [DataRequired("Choose a password.")], description=f"At least {SHORTEST_PASSWORD} characters."
    )


@blueprint.route("/sign-in", methods=["GET", "POST"])
@open_to(ANYBODY)
def sign_in() -> Any:
    if "invitation" in request.args:
        return _take_up(request.args["invitation"])
    if g.signed_in and request.method == "GET":
        return redirect(safe_next(request.args.get("next")))
    form, status = SignInForm(), 200
    if form.validate_on_submit():
        try:
            return _opened(form.email.data, form.password.data)
        except (WrongPassword, LockedOut) as refusal:
            form.password.errors = [str(refusal)]
            status = 429 if isinstance(refusal, LockedOut) else 403
    return render_template("sign_in.html", form=form), status


def _opened(email: str, password: str) -> Any:
    secret = core.sign_in(email, password, _browser())
    session.clear()  # nothing that somebody put there before outlives a sign-in
    session[SECRET] = secret
    return redirect(safe_next(request.args.get("next")))


def _browser() -> str:
    """What the browser calls itself, for telling sessions apart."""
    return (request.user_agent.string or "unknown browser")[:LONGEST_NAME]


def _take_up(invitation: str) -> Any:
    operator = invited(invitation)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            email = accept_invitation(invitation, form.password.data)
            return _opened(email, form.password.data)
        except UnfitPassword as refusal:
            form.password.errors = [str(refusal)]
    return render_template("invitation.html", form=form, operator=operator)


@blueprint.post("/sign-out")
@open_to("viewer")
def sign_out() -> Any:
    core.end_session(at_work().operator.id, at_work().session_id)
    session.clear()
    flash("You are signed out.")
    return redirect(url_for("pages.sign_in"))
