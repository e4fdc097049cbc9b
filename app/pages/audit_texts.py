"""The words of the audit log on its page: events, and the names and values of their details."""

from datetime import datetime
from typing import Any

from flask import Blueprint
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.pages.role_texts import ROLE_NAMES
from app.pages.template_filters import SIGN_IN_METHODS, local_time, number

EVENTS = {
    "sign_in": lazy_gettext("Signed in"),
    "sign_in_failed": lazy_gettext("Sign-in failed"),
    "sign_out": lazy_gettext("Signed out"),
    "session_ended": lazy_gettext("Session ended"),
    "password_changed": lazy_gettext("Password changed"),
    "operator_created": lazy_gettext("Operator created"),
    "operator_invited": lazy_gettext("Operator invited"),
    "invitation_reissued": lazy_gettext("New invitation link"),
    "invitation_accepted": lazy_gettext("Invitation accepted"),
    "role_changed": lazy_gettext("Role changed"),
    "operator_deactivated": lazy_gettext("Operator deactivated"),
    "operator_reactivated": lazy_gettext("Operator reactivated"),
    "second_factor_added": lazy_gettext("Second factor added"),
    "second_factor_removed": lazy_gettext("Second factor removed"),
    "second_factor_failed": lazy_gettext("Second factor failed"),
    "recovery_codes_created": lazy_gettext("Recovery codes created"),
    "recovery_code_used": lazy_gettext("Recovery code used"),
    "token_created": lazy_gettext("Token created"),
    "token_changed": lazy_gettext("Token limits changed"),
    "token_rotated": lazy_gettext("Token secret rotated"),
    "token_revoked": lazy_gettext("Token revoked"),
    "secret_shown": lazy_gettext("Secret shown"),
    "webhook_created": lazy_gettext("Webhook created"),
    "webhook_changed": lazy_gettext("Webhook changed"),
    "webhook_paused": lazy_gettext("Webhook paused"),
    "webhook_resumed": lazy_gettext("Webhook resumed"),
    "webhook_rotated": lazy_gettext("Webhook secret rotated"),
    "webhook_deleted": lazy_gettext("Webhook deleted"),
    "segment_rule_changed": lazy_gettext("Rules of a segment type changed"),
    "segment_rule_deleted": lazy_gettext("Rules of a segment type deleted"),
    "segment_alerts_changed": lazy_gettext("Alerts on a segment's size changed"),
    "view_saved": lazy_gettext("View saved"),
    "view_renamed": lazy_gettext("View renamed"),
    "view_deleted": lazy_gettext("View deleted"),
    "customers_exported": lazy_gettext("Customers exported"),
    "customer_disclosed": lazy_gettext("Customer disclosed"),
    "customer_erased": lazy_gettext("Customer erased"),
    "change_approved": lazy_gettext("Change approved"),
    "change_rejected": lazy_gettext("Change rejected"),
    "history_pruned": lazy_gettext("History deleted"),
    "audit_log_exported": lazy_gettext("Audit log exported"),
    "audit_log_pruned": lazy_gettext("Audit log entries deleted"),
}
"""Labels by event."""

DETAILS = {
    "above": lazy_gettext("above"),
    "before": lazy_gettext("before"),
    "below": lazy_gettext("below"),
    "change": lazy_gettext("change"),
    "change_sets": lazy_gettext("changes"),
    "customers": lazy_gettext("customers"),
    "deleted": lazy_gettext("deleted"),
    "events": lazy_gettext("events"),
    "expires": lazy_gettext("expires"),
    "filtered": lazy_gettext("filtered"),
    "format": lazy_gettext("format"),
    "guard_customers": lazy_gettext("max. customers emptied"),
    "guard_percent": lazy_gettext("max. % of customers emptied"),
    "guard_floor": lazy_gettext("only if more customers than"),
    "guard_holds": lazy_gettext("hold for approval"),
    "guard_warn_customers": lazy_gettext("warn above customers emptied"),
    "guard_warn_percent": lazy_gettext("warn above % of customers emptied"),
    "jobs": lazy_gettext("canceled jobs"),
    "kind": lazy_gettext("kind"),
    "method": lazy_gettext("method"),
    "name": lazy_gettext("name"),
    "networks": lazy_gettext("IP addresses"),
    "old_secret_expires": lazy_gettext("old secret expires"),
    "reason": lazy_gettext("reason"),
    "requested_by": lazy_gettext("requested by"),
    "role": lazy_gettext("role"),
    "scopes": lazy_gettext("permissions"),
    "sessions": lazy_gettext("sessions"),
    "types": lazy_gettext("segment types"),
    "url": lazy_gettext("URL"),
}
"""Labels by the name of a detail."""

JOB_KINDS = {
    "import": lazy_gettext("import"),
    "edit": lazy_gettext("bulk edit"),
    "revert": lazy_gettext("undo"),
    "api": lazy_gettext("API request"),
    "members": lazy_gettext("members of a segment"),
}

WORDS = {
    "change": JOB_KINDS,
    "role": ROLE_NAMES,
    "method": SIGN_IN_METHODS,
    "kind": SIGN_IN_METHODS,
    "sessions": {"all": lazy_gettext("all")},
}
"""Labels of stored words, by the name of their detail."""

TIMES = ("before", "expires", "old_secret_expires")


def register(blueprint: Blueprint) -> None:
    for template_filter in (audit_event_label, audit_details):
        blueprint.add_app_template_filter(template_filter)


def audit_event_label(event: str) -> str:
    return str(EVENTS.get(event, event))


def audit_details(details: dict[str, Any]) -> str:
    """Return `role: Admin; expires: 26 Nov 2027, 03:13 (Madrid)`, without details that are not set."""
    given = ((name, value) for name, value in details.items() if value is not None)
    return "; ".join(f"{DETAILS.get(name, name)}: {_value(name, value)}" for name, value in given)


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, int):
        return number(value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if name in TIMES:
        return local_time(datetime.fromisoformat(value))
    return str(WORDS.get(name, {}).get(value, value))
