"""The filter of the customer list in words: what can be chosen, and what is."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple

from flask_babel import lazy_gettext

from app.core.search.filters import Filter
from app.pages.list_query import filter_parameters, parameter_name

SEGMENT_CONDITIONS = {"segment": lazy_gettext("Has segment"), "without": lazy_gettext("Doesn't have segment")}
"""By parameter: what a segment added to it means."""


class FilterChoice(NamedTuple):
    """A parameter with a few values: its label, and that of each value, of which "" is the default."""

    label: Any
    options: dict[str, Any]


CHOICES = {
    "has": FilterChoice(
        lazy_gettext("Segments"),
        {
            "": lazy_gettext("All customers"),
            "any": lazy_gettext("Has any segment"),
            "none": lazy_gettext("Has no segments"),
        },
    ),
}
"""By parameter, for all fields of Filter but the text and the segments."""


class ActiveFilter(NamedTuple):
    """One condition of the list, its label, and the parameter and value that stand for it."""

    parameter: str
    value: str
    label: Any
    segment: str = ""
    """The value, if it is a segment."""


def active_filters(filter_: Filter) -> Iterator[ActiveFilter]:
    """Yield the conditions of a filter in the order of its fields."""
    parameters = filter_parameters(filter_) if filter_ else {}
    for name in map(parameter_name, fields(filter_)):
        for value in parameters.get(name, []):
            if name in SEGMENT_CONDITIONS:
                yield ActiveFilter(name, value, SEGMENT_CONDITIONS[name], value)
            else:
                yield ActiveFilter(name, value, f"“{value}”" if name == "q" else CHOICES[name].options[value])
