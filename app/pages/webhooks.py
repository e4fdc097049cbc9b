"""Webhooks: the endpoints that receive every change set, and their deliveries. For admins."""

from typing import Any

from flask import current_app, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, TextAreaField, URLField, ValidationError
from wtforms.validators import DataRequired

from app.background import notify_workers
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.domain_texts import translate_domain_text
from app.pages.rotation import RotationForm
from app.pages.segment_type_lines import are_types, types_of
from app.webhooks.models import (
    MAX_PENDING_COUNTED,
    Webhook,
    count_pending,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_deliveries,
    list_webhooks,
    redeliver,
    rotate_webhook,
    send_test_event,
    update_webhook,
)
from app.webhooks.signing import new_secret
from app.webhooks.url_policy import DisallowedUrl, parse_url, resolve

MAX_DELIVERIES = 50


class TypesForm(FlaskForm):  # type: ignore[misc]
    types = TextAreaField(
        lazy_gettext("Segment types"),
        [are_types],
        description=lazy_gettext(
            "One per line, such as membership. Only changes of these types are sent. Leave empty to send all changes."
        ),
    )


class WebhookForm(TypesForm):
    url = URLField(
        lazy_gettext("URL"),
        [DataRequired(lazy_gettext("Enter a URL."))],
        filters=[lambda url: (url or "").strip()],
        description=lazy_gettext("Endpoint URL, e.g. https://example.com/hook."),
    )

    def validate_url(self, field: Field) -> None:
        try:
            resolve(parse_url(field.data, current_app.config["WEBHOOK_ALLOWED_HOSTS"] or ()))
        except DisallowedUrl as error:
            raise ValidationError(translate_domain_text(str(error))) from None


@blueprint.route("/webhooks", methods=["GET", "POST"])
@require_role("admin")
def webhooks() -> Any:
    form = WebhookForm()
    if form.validate_on_submit():
        salt, digest, secret = new_secret(current_app.config["SECRET_KEY"])
        return _secret_page(get_webhook(create_webhook(form.url.data, salt, digest, types_of(form.types))), secret)
    return render_template("webhooks.html", form=form, webhooks=list_webhooks())


def _secret_page(webhook: Webhook, secret: str, rotated: bool = False) -> str:
    """Render the only page that shows the secret."""
    return render_template("webhook_secret.html", webhook=webhook, secret=secret, rotated=rotated)


@blueprint.get("/webhooks/<number:webhook_id>")
@require_role("admin")
def webhook(webhook_id: int) -> Any:
    webhook = get_webhook(webhook_id)
    return render_template(
        "webhook.html",
        webhook=webhook,
        deliveries=list_deliveries(webhook_id, MAX_DELIVERIES),
        pending_count=count_pending(webhook),
        max_pending_counted=MAX_PENDING_COUNTED,
    )


@blueprint.post("/webhooks/<number:webhook_id>/<any('pause', 'resume'):action>")
@require_role("admin")
def webhook_pause(webhook_id: int, action: str) -> Any:
    update_webhook(webhook_id, paused=action == "pause")
    flash(_("Paused. Changes will be delivered when you resume.") if action == "pause" else _("Resumed."))
    return redirect(url_for("pages.webhook", webhook_id=webhook_id))


@blueprint.post("/webhooks/<number:webhook_id>/test")
@require_role("admin")
def webhook_test(webhook_id: int) -> Any:
    send_test_event(webhook_id)
    notify_workers()
    if get_webhook(webhook_id).paused_at:
        flash(_("Test event queued. It will be sent when you resume."))
    else:
        flash(_("Test event queued. Reload this page to see the response."))
    return redirect(url_for("pages.webhook", webhook_id=webhook_id))


@blueprint.route("/webhooks/<number:webhook_id>/types", methods=["GET", "POST"])
@require_role("admin")
def webhook_types(webhook_id: int) -> Any:
    webhook = get_webhook(webhook_id)
    form = TypesForm(types="\n".join(webhook.types))
    if form.validate_on_submit():
        update_webhook(webhook_id, types=types_of(form.types))
        flash(_("Saved. Applies to the next change."))
        return redirect(url_for("pages.webhook", webhook_id=webhook_id))
    return render_template("webhook_types.html", webhook=webhook, form=form)


@blueprint.post("/webhooks/<number:webhook_id>/deliveries/<number:delivery_id>/resend")
@require_role("admin")
def webhook_resend(webhook_id: int, delivery_id: int) -> Any:
    redeliver(webhook_id, delivery_id)
    flash(_("Queued."))
    return redirect(url_for("pages.webhook", webhook_id=webhook_id))


@blueprint.route("/webhooks/<number:webhook_id>/rotate", methods=["GET", "POST"])
@require_role("admin")
def webhook_rotate(webhook_id: int) -> Any:
    webhook = get_webhook(webhook_id)
    form = RotationForm()
    if form.validate_on_submit():
        salt, digest, secret = new_secret(current_app.config["SECRET_KEY"])
        rotate_webhook(webhook_id, salt, digest, form.duration())
        return _secret_page(get_webhook(webhook_id), secret, rotated=True)
    return render_template(
        "secret_rotate.html",
        form=form,
        title=_("Rotate the secret of %(name)s?", name=webhook.url),
        explanation=_("The new secret is shown once. Requests are signed with both secrets until the old one expires."),
        rotating=webhook,
        cancel_url=url_for("pages.webhook", webhook_id=webhook_id),
    )


@blueprint.route("/webhooks/<number:webhook_id>/delete", methods=["GET", "POST"])
@require_role("admin")
def webhook_delete(webhook_id: int) -> Any:
    webhook = get_webhook(webhook_id)
    form = FlaskForm()
    if form.validate_on_submit():
        delete_webhook(webhook_id)
        flash(_("Webhook deleted."))
        return redirect(url_for("pages.webhooks"))
    return render_template("webhook_delete.html", webhook=webhook, form=form)
