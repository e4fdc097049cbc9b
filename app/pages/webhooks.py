"""Webhooks: the endpoints that receive events, and their deliveries. For admins."""

from typing import Any

from flask import current_app, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, TextAreaField, URLField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired

from app.background import notify_workers
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.checkboxes import Checkboxes
from app.pages.domain_texts import translate_domain_text
from app.pages.rotation import RotationForm
from app.pages.segment_type_lines import are_types, types_of
from app.webhooks.messages import CHANGE_SET, NIGHT_MISSED, SEGMENT_ALERT
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


EVENT_LABELS = {
    CHANGE_SET: lazy_gettext("Changes"),
    SEGMENT_ALERT: lazy_gettext("Alerts on segment sizes"),
    NIGHT_MISSED: lazy_gettext("Missed nights"),
}


class WebhookForm(FlaskForm):  # type: ignore[misc]
    url = URLField(
        lazy_gettext("URL"),
        [DataRequired(lazy_gettext("Enter a URL."))],
        filters=[lambda url: (url or "").strip()],
        description=lazy_gettext("Endpoint URL, e.g. https://example.com/hook."),
    )
    events = Checkboxes(
        lazy_gettext("Events"),
        choices=[SelectChoice(event, label) for event, label in EVENT_LABELS.items()],
        description=lazy_gettext("Select none to send all events, including future ones."),
    )
    types = TextAreaField(
        lazy_gettext("Segment types"),
        [are_types],
        description=lazy_gettext(
            "One per line, such as membership. Only changes of these types are sent. Leave empty to send all changes."
        ),
    )

    def validate_url(self, field: Field) -> None:
        if field.data == field.object_data:
            return  # unchanged: its host may be unavailable now
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
        webhook_id = create_webhook(form.url.data, salt, digest, types_of(form.types), form.events.data)
        return _secret_page(get_webhook(webhook_id), secret)
    return render_template("webhooks.html", form=form, webhooks=list_webhooks(), event_labels=EVENT_LABELS)


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
        event_labels=EVENT_LABELS,
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


@blueprint.route("/webhooks/<number:webhook_id>/edit", methods=["GET", "POST"])
@require_role("admin")
def webhook_edit(webhook_id: int) -> Any:
    webhook = get_webhook(webhook_id)
    form = WebhookForm(url=webhook.url, events=webhook.events, types="\n".join(webhook.types))
    if form.validate_on_submit():
        update_webhook(webhook_id, url=form.url.data, types=types_of(form.types), events=form.events.data)
        notify_workers()
        flash(_("Saved. Applies from the next delivery."))
        return redirect(url_for("pages.webhook", webhook_id=webhook_id))
    return render_template("webhook_edit.html", webhook=webhook, form=form)


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
