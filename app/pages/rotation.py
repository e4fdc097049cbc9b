"""The form that rotates a secret of a token or webhook."""

from datetime import timedelta

from flask_wtf import FlaskForm
from wtforms import SelectField
from wtforms.fields import SelectChoice

OVERLAPS = {"0": "Immediately", "1": "In an hour", "24": "In 24 hours", "168": "In 7 days"}
"""Labels by number of hours."""


class RotationForm(FlaskForm):  # type: ignore[misc]
    overlap = SelectField(
        "Old secret expires",
        choices=[SelectChoice(*choice) for choice in OVERLAPS.items()],
        default="24",
        description="Both work until then, so there's no downtime.",
    )

    def duration(self) -> timedelta:
        return timedelta(hours=int(self.overlap.data))
