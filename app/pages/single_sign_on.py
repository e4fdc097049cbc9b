"""Sign-in at an OpenID Connect provider (OIDC_ISSUER): redirect there, and come back with an authorization code."""

from typing import Any, cast

import requests
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from flask import Flask, current_app, flash, redirect, request, session, url_for
from flask_babel import gettext as _
from joserfc.errors import JoseError

from app.access.operators import LastAdmin
from app.access.single_sign_on import SignInRefused, sign_in_with_claims
from app.core.errors import NotFound
from app.pages import blueprint
from app.pages.auth import PUBLIC, require_role, safe_next
from app.pages.domain_texts import translate_domain_text
from app.pages.sign_in import client_info, start_session

NEXT_KEY = "single_sign_on_next"

log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Register the provider of the settings; its metadata is read at the first sign-in."""
    oauth = OAuth(app)
    if app.config["OIDC_ISSUER"]:
        oauth.register(
            "provider",
            client_id=app.config["OIDC_CLIENT_ID"],
            client_secret=app.config["OIDC_CLIENT_SECRET"],
            server_metadata_url=f"{app.config['OIDC_ISSUER'].rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256", "timeout": 10},
        )


def _provider() -> FlaskOAuth2App:
    if not current_app.config["OIDC_ISSUER"]:
        raise NotFound(_("Single sign-on is not set up."))
    return cast(FlaskOAuth2App, current_app.extensions["authlib.integrations.flask_client"].provider)


@blueprint.get("/sign-in/single-sign-on")
@require_role(PUBLIC)
def single_sign_on() -> Any:
    session[NEXT_KEY] = request.args.get("next")
    try:
        return _provider().authorize_redirect(url_for("pages.single_sign_on_callback", _external=True))
    except requests.RequestException as error:
        return _failed(error)


@blueprint.get("/sign-in/single-sign-on/callback")
@require_role(PUBLIC)
def single_sign_on_callback() -> Any:
    try:
        token = _provider().authorize_access_token()
        claims = token["userinfo"]
        new = sign_in_with_claims(claims, current_app.config["OIDC_ROLE_CLAIM"], client_info())
    except (SignInRefused, LastAdmin) as error:
        flash(translate_domain_text(str(error)), "problem")
        return redirect(url_for("pages.sign_in"))
    except (AuthlibBaseError, JoseError, requests.RequestException, KeyError) as error:
        return _failed(error)
    next_url = session.pop(NEXT_KEY, None)
    response = start_session(new)
    response.location = safe_next(next_url)
    return response


def _failed(error: Exception) -> Any:
    """Log why the provider's response is not accepted, without its contents; show the sign-in page."""
    log.warning("single_sign_on_failed", error=type(error).__name__)
    flash(_("Single sign-on failed. Try again, or sign in with your password."), "problem")
    return redirect(url_for("pages.sign_in"))
