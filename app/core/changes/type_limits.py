"""Changes that are limited to segments of some types: those of other types stay as they are (contract §8)."""

from collections.abc import Collection, Iterable
from itertools import islice

from app.core.errors import Forbidden, InputError
from app.core.limits import MAX_ERROR_DETAILS
from app.core.models.segments import Segments


class TypeForbidden(Forbidden):
    """The change would touch segments of other types than the token is limited to; `details` are the first ones."""

    code = "FORBIDDEN"
    explanation = "The token is limited to other segment types; `details` names each problem by its path."

    def __init__(self, errors: Iterable[InputError]) -> None:
        super().__init__("The token is limited to other segment types. Nothing was changed.")
        self.details = list(islice(errors, MAX_ERROR_DETAILS))


def changes_other_types(before: Segments, after: Segments, types: Collection[str]) -> bool:
    """Return whether segments of other types than `types` differ, or their order."""
    return _of_other_types(before, types) != _of_other_types(after, types)


def _of_other_types(segments: Segments, types: Collection[str]) -> Segments:
    return [segment for segment in segments if segment["type"] not in types]


def loses_all(before: Segments, after: Segments, types: Collection[str]) -> bool:
    """Return whether a customer loses all their segments, or all of these types if there are any."""
    return _has_any(before, types) and not _has_any(after, types)


def _has_any(segments: Segments, types: Collection[str]) -> bool:
    return any(segment["type"] in types for segment in segments) if types else bool(segments)
