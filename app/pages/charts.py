"""Geometry of small SVG charts. Colours and sizes are set by the stylesheet; a table has the same numbers."""

from collections.abc import Sequence
from datetime import date

from flask import Blueprint
from flask_babel import gettext as _

from app.pages.template_filters import day, number, signed

Point = tuple[int, int]


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(polyline_points)
    blueprint.add_app_template_filter(bar_rects)
    blueprint.add_app_template_filter(point_labels)


def polyline_points(values: Sequence[int], width: int, height: int, *, from_zero: bool = False) -> str:
    """Return the `points` of a polyline through these values, in a box of this size."""
    lowest = 0 if from_zero else min(values)
    span = max(values) - lowest
    step = width / max(1, len(values) - 1)
    flat = height if from_zero else height / 2  # the line of values that are all equal
    points = [
        (round(index * step), round(height - (value - lowest) / span * height if span else flat))
        for index, value in enumerate(values)
    ]
    corners = [point for index, point in enumerate(points) if not _is_on_flat_line(points[index - 1 : index + 2])]
    return " ".join(f"{x},{y}" for x, y in corners)


def point_labels(values: Sequence[int], days: Sequence[date], week: int | None = None) -> list[str]:
    """Return what each point of a chart says: `26 Nov 2026: 602`, and its difference to `week` points earlier."""
    labels = [f"{day(date_)}: {number(value)}" for date_, value in zip(days, values, strict=True)]
    for index in range(week or len(values), len(values)):
        change = signed(values[index] - values[index - (week or 0)])
        labels[index] = _(
            "%(day_and_value)s (%(change)s vs. a week before)", day_and_value=labels[index], change=change
        )
    return labels


def _is_on_flat_line(points: list[Point]) -> bool:
    """Return whether the middle of three points lies on a horizontal line through the other two."""
    return len(points) == 3 and len({y for _, y in points}) == 1


def bar_rects(values: Sequence[int], width: int, height: int) -> list[tuple[float, float, float, float]]:
    """Return the x, y, width and height of a bar for each value, in a box of this size."""
    largest, step = max(values, default=0), width / max(1, len(values))
    heights = [value / largest * height if largest else 0 for value in values]
    return [(n * step + step * 0.15, height - bar, step * 0.7, bar) for n, bar in enumerate(heights)]
