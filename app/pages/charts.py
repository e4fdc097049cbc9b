"""Small charts as SVG attributes: their colours and sizes are the stylesheet's. The numbers stand beside each."""

from collections.abc import Sequence

from flask import Blueprint


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(line)
    blueprint.add_app_template_filter(columns)


def line(values: Sequence[int], width: int, height: int, *, from_zero: bool = False) -> str:
    """The `points` of a polyline through these values, in a box of that size."""
    lowest = 0 if from_zero else min(values)
    span = max(values) - lowest
    step = width / max(1, len(values) - 1)
    level = height / 2 if not span and not from_zero else height
    return " ".join(
        f"{n * step:.1f},{height - (value - lowest) / span * height if span else level:.1f}"
        for n, value in enumerate(values)
    )


def columns(values: Sequence[int], width: int, height: int) -> list[tuple[float, float, float, float]]:
    """The x, y, width and height of a column for each value, in a box of that size."""
    most, step = max(values, default=0), width / max(1, len(values))
    tall = [value / most * height if most else 0 for value in values]
    return [(n * step + step * 0.15, height - up, step * 0.7, up) for n, up in enumerate(tall)]
