"""Rotating a secret: how long the present one goes on beside the new one."""

from datetime import timedelta

from flask_wtf import FlaskForm
from wtforms import SelectField
from wtforms.fields import SelectChoice

OVERLAPS = {"0": "at once", "1": "in an hour", "24": "in 24 hours", "168": "in 7 days"}
"""By hours."""


class RotationForm(FlaskForm):  # type: ignore[misc]
    overlap = SelectField(
        "The present secret ends",
        choices=[SelectChoice(*choice) for choice in OVERLAPS.items()],
        default="24",
        description="Until then both are good, so that the other side can change over without a gap.",
    )

    def time(self) -> timedelta:
        return timedelta(hours=int(self.overlap.data))
