"""Segment types that an admin enters, one per line."""

from typing import Any

from wtforms import Field, ValidationError

from app.access.token_types import InvalidType, parse_types
from app.pages.domain_texts import translate_domain_text


def types_of(field: Field) -> list[str]:
    """Return the types that a field has, without the spaces around them and without empty lines."""
    lines = (field.data or "").splitlines()
    return [line.strip() for line in lines if line.strip()]


def are_types(_form: Any, field: Field) -> None:
    """Raise ValidationError if one of the types cannot be the type of a segment, or if there are too many."""
    try:
        parse_types(types_of(field))
    except InvalidType as error:
        raise ValidationError(translate_domain_text(str(error))) from None
