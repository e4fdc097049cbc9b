"""Small charts as SVG attributes: their colours and sizes are the stylesheet's. The numbers stand beside each."""

from collections.abc import Sequence

from flask import Blueprint


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(polyline_points)
    blueprint.add_app_template_filter(bar_rects)


def polyline_points(values: Sequence[int], width: int, height: int, *, from_zero: bool = False) -> str:
    """The `points` of a polyline through these values, in a box of that size."""
    lowest = 0 if from_zero else min(values)
    span = max(values) - lowest
    step = width / max(1, len(values) - 1)
    level = height if from_zero else height / 2  # where nothing moved at all
    drawn = [
        (round(n * step), round(height - (value - lowest) / span * height if span else level))
        for n, value in enumerate(values)
    ]
    points = [point for n, point in enumerate(drawn) if not _is_on_flat_line(drawn[n - 1 : n + 2])]
    return " ".join(f"{x},{y}" for x, y in points)


def _is_on_flat_line(three: list[tuple[int, int]]) -> bool:
    """Return whether the middle one of three points lies on a horizontal line through the other two."""
    return len(three) == 3 and len({y for _, y in three}) == 1


def bar_rects(values: Sequence[int], width: int, height: int) -> list[tuple[float, float, float, float]]:
    """The x, y, width and height of a column for each value, in a box of that size."""
    most, step = max(values, default=0), width / max(1, len(values))
    tall = [value / most * height if most else 0 for value in values]
    return [(n * step + step * 0.15, height - up, step * 0.7, up) for n, up in enumerate(tall)]
