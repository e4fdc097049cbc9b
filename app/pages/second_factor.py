"""The operator's own second factor: authenticator app, passkeys and recovery codes."""

from typing import Any

import segno
from flask import flash, jsonify, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired

from app.access.passkeys import (
    InvalidPasskey,
    RelyingParty,
    authentication_options,
    list_passkeys,
    register_passkey,
    registration_options,
    sign_in_with_passkey,
)
from app.access.second_factor import (
    InvalidCode,
    begin_totp,
    confirm_totp,
    count_recovery_codes,
    create_recovery_codes,
    has_totp,
    provisioning_uri,
    remove_passkey,
    remove_totp,
    unconfirmed_secret,
)
from app.core.encryption import Cipher
from app.pages import blueprint
from app.pages.auth import PUBLIC, current_operator, current_session, lacks_second_factor, require_role
from app.pages.domain_texts import translate_domain_text
from app.pages.sign_in import client_info, start_session
from app.web.secret_keys import secret_keys

CHALLENGE_KEY = "passkey_challenge"

own_factor = require_role("viewer", before_second_factor=True, recent_password=True)


class FirstCodeForm(FlaskForm):  # type: ignore[misc]
    code = StringField(
        lazy_gettext("Code"),
        [DataRequired(lazy_gettext("Enter the code."))],
        description=lazy_gettext("The 6 digits that the app shows now."),
    )


def _cipher() -> Cipher:
    return Cipher(secret_keys(), "second factor")


def _relying_party() -> RelyingParty:
    return RelyingParty(request.host.rpartition(":")[0] or request.host, request.host_url.rstrip("/"))


@blueprint.get("/account/second-factor")
@own_factor
def second_factor() -> Any:
    operator = current_operator()
    return render_template(
        "second_factor.html",
        has_totp=has_totp(operator.id),
        passkeys=list_passkeys(operator.id),
        recovery_codes=count_recovery_codes(operator.id),
        required=lacks_second_factor(),
    )


@blueprint.post("/account/second-factor/app")
@own_factor
def begin_authenticator() -> Any:
    begin_totp(current_operator().id, _cipher())
    return redirect(url_for("pages.confirm_authenticator"))


@blueprint.route("/account/second-factor/app/confirm", methods=["GET", "POST"])
@own_factor
def confirm_authenticator() -> Any:
    operator = current_operator()
    operator_id, email = operator.id, operator.email
    secret = unconfirmed_secret(operator_id, _cipher())
    form = FirstCodeForm()
    if form.validate_on_submit():
        try:
            codes = confirm_totp(operator_id, email, current_session().session_id, form.code.data, _cipher())
            return _show_recovery_codes(codes)
        except InvalidCode as error:
            form.code.errors = [translate_domain_text(str(error))]
    qr = segno.make(provisioning_uri(secret, email)).svg_data_uri(scale=4, border=3, light="white")
    return render_template("authenticator_app.html", form=form, secret=secret, qr=qr)


def _show_recovery_codes(codes: list[str]) -> str:
    """Return the only page that contains the codes: only their hashes are stored."""
    return render_template("recovery_codes.html", codes=codes)


@blueprint.post("/account/second-factor/app/remove")
@own_factor
def remove_authenticator() -> Any:
    remove_totp(current_operator().id, current_operator().email)
    flash(_("Authenticator app removed."))
    return redirect(url_for("pages.second_factor"))


@blueprint.post("/account/second-factor/recovery-codes")
@own_factor
def new_recovery_codes() -> Any:
    return _show_recovery_codes(create_recovery_codes(current_operator().id, current_operator().email))


@blueprint.post("/account/second-factor/passkeys/options")
@own_factor
def passkey_options() -> Any:
    options, session[CHALLENGE_KEY] = registration_options(current_operator(), _relying_party())
    return options, 200, {"Content-Type": "application/json"}


@blueprint.post("/account/second-factor/passkeys")
@own_factor
def add_passkey() -> Any:
    payload = request.get_json()
    credential, name = (payload.get("credential"), payload.get("name")) if isinstance(payload, dict) else (None, "")
    challenge = session.pop(CHALLENGE_KEY, "")
    try:
        register_passkey(
            current_session(), credential, str(name or "").strip() or _("Passkey"), challenge, _relying_party()
        )
    except InvalidPasskey as error:
        return jsonify(error=translate_domain_text(str(error))), 400
    flash(_("Passkey added."))
    return jsonify(next=url_for("pages.second_factor"))


@blueprint.post("/account/second-factor/passkeys/<number:passkey_id>/remove")
@own_factor
def delete_passkey(passkey_id: int) -> Any:
    remove_passkey(current_operator().id, current_operator().email, passkey_id)
    flash(_("Passkey removed."))
    return redirect(url_for("pages.second_factor"))


@blueprint.post("/sign-in/passkey/options")
@require_role(PUBLIC)
def sign_in_passkey_options() -> Any:
    options, session[CHALLENGE_KEY] = authentication_options(_relying_party())
    return options, 200, {"Content-Type": "application/json"}


@blueprint.post("/sign-in/passkey")
@require_role(PUBLIC)
def sign_in_passkey() -> Any:
    challenge = session.pop(CHALLENGE_KEY, "")
    try:
        new = sign_in_with_passkey(request.get_json(), challenge, _relying_party(), client_info())
    except InvalidPasskey as error:
        return jsonify(error=translate_domain_text(str(error))), 403
    response = start_session(new)
    next_url = response.headers.pop("Location")
    response.status_code = 200
    response.set_data(jsonify(next=next_url).get_data())
    response.content_type = "application/json"
    return response
