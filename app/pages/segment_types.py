"""The rules of segment types: editors read them, admins change them."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, SelectField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import Length

from app.access.audit_log import record_event_now
from app.core.counts.segment_counts import catalogue, held_types
from app.core.limits import MAX_RULE_DESCRIPTION_LENGTH, MAX_RULE_VALUES, MAX_SEGMENT_TEXT_LENGTH
from app.core.models.customers import is_storable
from app.core.models.segment_alerts import Watched, list_alerts
from app.core.models.segment_rules import SegmentRule, delete_rule, load_rules, save_rule
from app.pages import blueprint
from app.pages.auth import require_role
from app.pages.list_query import InvalidRequest
from app.pages.template_filters import number

URL = "/segment-types/<segment_part:type>"
MAX_LISTED = 1_000

MULTIPLE = {"many": lazy_gettext("Several values"), "one": lazy_gettext("One value")}
POLICY_LABELS = {
    "free": lazy_gettext("Any value"),
    "warn": lazy_gettext("Warn about values that aren't in the list"),
    "closed": lazy_gettext("Only values in the list"),
}


class RuleForm(FlaskForm):  # type: ignore[misc]
    description = TextAreaField(
        lazy_gettext("Description"),
        [
            Length(
                max=MAX_RULE_DESCRIPTION_LENGTH,
                message=lazy_gettext("At most %(count)s characters.", count=MAX_RULE_DESCRIPTION_LENGTH),
            )
        ],
        description=lazy_gettext("What the segments of this type mean, and who maintains them."),
    )
    multiple = SelectField(
        lazy_gettext("A customer can have"), choices=[SelectChoice(*choice) for choice in MULTIPLE.items()]
    )
    policy = SelectField(
        lazy_gettext("Allowed values"), choices=[SelectChoice(*choice) for choice in POLICY_LABELS.items()]
    )
    values = TextAreaField(lazy_gettext("List of values"), description=lazy_gettext("One per line."))

    def lines(self) -> list[str]:
        lines = (line.strip() for line in (self.values.data or "").splitlines())
        return list(dict.fromkeys(filter(None, lines)))

    def validate_description(self, field: Field) -> None:
        if not is_storable(field.data or ""):
            raise ValidationError(_("Contains an invalid character."))

    def validate_values(self, field: Field) -> None:
        lines = self.lines()
        if self.policy.data != "free" and not lines:
            raise ValidationError(_("Enter at least one value."))
        if len(lines) > MAX_RULE_VALUES:
            raise ValidationError(_("At most %(count)s values.", count=number(MAX_RULE_VALUES)))
        if any(len(line) > MAX_SEGMENT_TEXT_LENGTH for line in lines):
            raise ValidationError(_("At most %(count)s characters.", count=number(MAX_SEGMENT_TEXT_LENGTH)))
        if not all(map(is_storable, lines)):
            raise ValidationError(_("Contains an invalid character."))


@blueprint.get("/segment-types")
@require_role("editor")
def segment_types() -> Any:
    """Show all types with their rules, or go to the type that an admin entered."""
    entered = request.args.get("type", "").strip()
    if entered:
        if not is_storable(entered) or len(entered) > MAX_SEGMENT_TEXT_LENGTH:
            raise InvalidRequest(_("Contains an invalid character."), parameter="type")
        return redirect(url_for("pages.segment_type", type=entered))
    rules = load_rules().by_type
    types = sorted({*held_types(), *rules})
    return render_template(
        "segment_types.html", types=[(type_, rules.get(type_)) for type_ in types], policies=POLICY_LABELS
    )


@blueprint.get(URL)
@require_role("editor")
def segment_type(type: str) -> Any:
    rule = load_rules().by_type.get(type)
    form = RuleForm(
        description=rule.description if rule else "",
        multiple="one" if rule and not rule.multiple else "many",
        policy=rule.policy if rule else "free",
        values="\n".join(rule.allowed_values) if rule else "",
    )
    return _page(type, form)


def _page(type_: str, form: RuleForm, status: int = 200) -> Any:
    rules = load_rules()
    sizes = catalogue(limit=MAX_LISTED, type_=type_)
    return render_template(
        "segment_type.html",
        type=type_,
        form=form,
        rule=rules.by_type.get(type_),
        policies=POLICY_LABELS,
        multiple=MULTIPLE,
        alerts=list_alerts(Watched(type_)),
        others=[size for size in sizes if rules.is_refused(size.pair) or rules.is_unlisted(size.pair)],
        values=[size.value for size in sizes],
    ), status


@blueprint.post(URL)
@require_role("admin")
def segment_type_save(type: str) -> Any:
    """Save the rules of a type, or delete them."""
    if request.form.get("action") == "delete":
        delete_rule(type)
        record_event_now("segment_rule_deleted", type)
        flash(_("Rules deleted. Any segment of this type is accepted."))
        return redirect(url_for("pages.segment_types"))
    form = RuleForm()
    if not form.validate_on_submit():
        return _page(type, form, 422)
    rule = SegmentRule(
        type=type,
        description=form.description.data.strip(),
        multiple=form.multiple.data == "many",
        policy=form.policy.data,
        allowed_values=form.lines(),
    )
    after = {"multiple": rule.multiple, "policy": rule.policy, "values": len(rule.allowed_values)}
    save_rule(rule)
    record_event_now("segment_rule_changed", type, after=after)
    flash(_("Saved. Applies to the next change."))
    return redirect(url_for("pages.segment_type", type=type))
