"""Blanks in segments made visible: those at the ends, doubled ones, and invisible characters."""

from collections.abc import Iterator

from flask import Blueprint
from flask_babel import gettext as _
from markupsafe import Markup, escape


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(visible_blanks)


def visible_blanks(text: str) -> Markup:
    """Return the text with a mark in place of each blank that would be overlooked, named for screen readers."""
    if text.isprintable() and text == text.strip() and "  " not in text:
        return escape(text)
    return Markup("").join(_marked(text))


def _marked(text: str) -> Iterator[str]:
    first, end = len(text) - len(text.lstrip()), len(text.rstrip())
    for index, character in enumerate(text):
        neighbours = text[max(0, index - 1) : index + 2]
        is_blank = character == " " and (not first <= index < end or "  " in neighbours)
        if is_blank or not character.isprintable():
            label = _("space") if character.isspace() else _("invisible character")
            yield Markup('<span class="blank" role="img" aria-label="{}">{}</span>').format(label, character)
        else:
            yield character
