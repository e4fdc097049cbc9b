"""The optional reason of an operator for a change: its note, as the header `Change-Reason` gives it in the API."""

from flask import Blueprint, request

from app.core.limits import MAX_REASON_LENGTH
from app.core.models.customers import replace_unstorable


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_global(submitted_reason)
    blueprint.add_app_template_global(max_reason_length)


def parse_reason() -> str | None:
    """Return the reason of the submitted form; None if there is none."""
    return replace_unstorable(submitted_reason().strip()[:MAX_REASON_LENGTH]) or None


def submitted_reason() -> str:
    """Return the reason as it was entered, for the field of a form that is shown again."""
    return request.form.get("reason", "")


def max_reason_length() -> int:
    return MAX_REASON_LENGTH
