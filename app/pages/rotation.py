"""The form that rotates a secret of a token or webhook."""

from datetime import timedelta

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import SelectField
from wtforms.fields import SelectChoice

OVERLAPS = {
    "0": lazy_gettext("Immediately"),
    "1": lazy_gettext("In an hour"),
    "24": lazy_gettext("In 24 hours"),
    "168": lazy_gettext("In 7 days"),
}
"""Labels by number of hours."""


class RotationForm(FlaskForm):  # type: ignore[misc]
    overlap = SelectField(
        lazy_gettext("Old secret expires"),
        choices=[SelectChoice(*choice) for choice in OVERLAPS.items()],
        default="24",
        description=lazy_gettext("Both work until then, so there's no downtime."),
    )

    def duration(self) -> timedelta:
        return timedelta(hours=int(self.overlap.data))
