"""Signing in and out, and accepting an invitation."""

from typing import Any

from flask import current_app, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import DataRequired

from app.access import authentication
from app.access.authentication import InvalidCredentials
from app.access.invitations import accept_invitation, get_invitation
from app.access.passwords import InvalidPassword, TooManyPasswordChecks
from app.access.second_factor import InvalidCode
from app.access.sessions import ClientInfo, NewSession, end_session
from app.access.sign_in_throttle import AccountLocked
from app.access.two_step_sign_in import SignInExpired, complete_sign_in
from app.core.encryption import Cipher
from app.core.limits import MIN_PASSWORD_LENGTH
from app.pages import blueprint
from app.pages.auth import (
    PUBLIC,
    SESSION_KEY,
    client_address,
    current_session,
    load_session,
    require_role,
    safe_next,
)
from app.pages.domain_texts import translate_domain_text
from app.pages.kept_forms import FIELD, offer_form, submitted_form, this_url
from app.pages.known_device import device_of, remember_device
from app.web.secret_keys import secret_keys

PENDING_KEY = "pending_sign_in"
MAX_BROWSER_LENGTH = 200


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(lazy_gettext("Email"), [DataRequired(lazy_gettext("Enter your email."))])
    password = PasswordField(lazy_gettext("Password"), [DataRequired(lazy_gettext("Enter your password."))])


class CodeForm(FlaskForm):  # type: ignore[misc]
    code = StringField(
        lazy_gettext("Code"),
        [DataRequired(lazy_gettext("Enter the code."))],
        description=lazy_gettext("6 digits of your authenticator app, or a recovery code."),
    )


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(
        lazy_gettext("New password"),
        [DataRequired(lazy_gettext("Enter a password."))],
        description=lazy_gettext("At least %(count)s characters.", count=MIN_PASSWORD_LENGTH),
    )


@blueprint.route("/sign-in", methods=["GET", "POST"])
@require_role(PUBLIC)
def sign_in() -> Any:
    if "invitation" in request.args:
        return _accept(request.args["invitation"])
    if g.current_session and request.method == "GET":
        return redirect(safe_next(request.args.get("next")))
    form = SignInForm()
    if form.validate_on_submit():
        email = form.email.data
        try:
            return start_session(authentication.sign_in(email, form.password.data, client_info(device_of(email))))
        except InvalidCredentials as error:
            form.password.errors = [translate_domain_text(str(error))]
            return sign_in_page(form, request.form.get(FIELD)), 403
        except (AccountLocked, TooManyPasswordChecks) as error:
            form.password.errors = [translate_domain_text(str(error))]
            return sign_in_page(form, request.form.get(FIELD)), 429, {"Retry-After": str(error.retry_after_s)}
    return sign_in_page(form, request.form.get(FIELD))


def sign_in_page(form: SignInForm, kept_form: str | None = None, *, next_url: str | None = None) -> str:
    """Return the page; `kept_form` is a sealed form that the sign-in shows again, `next_url` the page of that form."""
    return render_template(
        "sign_in.html",
        form=form,
        single_sign_on=bool(current_app.config["OIDC_ISSUER"]),
        kept_form=kept_form,
        next_url=next_url or request.args.get("next"),
    )


def keep_form() -> Response | None:
    """Answer a form whose session has ended with the sign-in page, which keeps it."""
    kept = submitted_form()
    if kept is None:
        return None
    page = sign_in_page(SignInForm(formdata=None), kept, next_url=this_url())
    return current_app.make_response((page, 403))


def client_info(device: str | None = None) -> ClientInfo:
    """Return the browser of this request, by which the operator tells sessions apart."""
    browser = request.user_agent.string[:MAX_BROWSER_LENGTH]
    return ClientInfo(browser, client_address(), device)


def start_session(new: NewSession) -> Response:
    """Store the session in the cookie and redirect to the requested page, or to the second step."""
    next_url = request.args.get("next")
    session.clear()  # against session fixation: nothing set before the sign-in remains
    g.pop("csrf_token", None)  # Flask-WTF's, of the session that was cleared
    kept_form = request.form.get(FIELD)
    if new.pending:
        session[PENDING_KEY] = new.secret
        if kept_form:
            return current_app.make_response(_code_page(CodeForm(formdata=None)))
        return redirect(url_for("pages.sign_in_code", next=next_url))
    session[SESSION_KEY] = new.secret
    response = (kept_form and _offer(kept_form)) or redirect(safe_next(next_url))
    remember_device(response, new.email)
    return response


def _offer(kept_form: str) -> Response | None:
    """Return the page that leads back to a kept form, if it is of the operator who has just signed in."""
    load_session()
    return offer_form(kept_form)


def _code_page(form: CodeForm) -> str:
    return render_template("sign_in_code.html", form=form, kept_form=request.form.get(FIELD))


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
@require_role(PUBLIC)
def sign_in_code() -> Any:
    """The second step, after the password."""
    if PENDING_KEY not in session:
        return redirect(url_for("pages.sign_in", next=request.args.get("next")))
    form = CodeForm()
    if form.validate_on_submit():
        try:
            return start_session(
                complete_sign_in(session[PENDING_KEY], form.code.data, Cipher(secret_keys(), "second factor"))
            )
        except SignInExpired as error:
            session.pop(PENDING_KEY)
            flash(translate_domain_text(str(error)), "problem")
            return redirect(url_for("pages.sign_in", next=request.args.get("next")))
        except InvalidCode as error:
            form.code.errors = [translate_domain_text(str(error))]
            return _code_page(form), 403
        except AccountLocked as error:
            form.code.errors = [translate_domain_text(str(error))]
            return _code_page(form), 429, {"Retry-After": str(error.retry_after_s)}
    return _code_page(form)


def _accept(invitation: str) -> Any:
    operator = get_invitation(invitation)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            return start_session(accept_invitation(invitation, form.password.data, client_info()))
        except (InvalidPassword, TooManyPasswordChecks) as error:
            form.password.errors = [translate_domain_text(str(error))]
    return render_template("accept_invitation.html", form=form, operator=operator)


@blueprint.post("/sign-out")
@require_role("viewer", before_second_factor=True)
def sign_out() -> Any:
    current = current_session()
    end_session(current.operator.id, current.session_id, event="sign_out")
    session.clear()
    flash(_("You've signed out."))
    response = redirect(url_for("pages.sign_in"))
    # Pages that the browser keeps for Back hold customer data. Language and theme are cookies, and stay.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
