"""Who changes something, in the operator's language: an operator by e-mail, a token and the command line by name."""

from flask import Blueprint
from flask_babel import lazy_gettext

ACTORS = {"anonymous": lazy_gettext("anonymous"), "system": lazy_gettext("system")}
"""Labels of actors who have no name."""

LABELS = {
    "operator": "%(name)s",
    "token": lazy_gettext("token %(name)s"),
    "command line": lazy_gettext("command line %(name)s"),
}
"""By how the name of an actor begins in the record: what a page writes."""


def register(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(actor_label)


def actor_label(actor: str) -> str:
    """Return `ana@example.com`, `token crm-nightly`."""
    for kind, label in LABELS.items():
        if actor.startswith(f"{kind} "):
            return str(label) % {"name": actor.removeprefix(f"{kind} ")}
    return str(ACTORS.get(actor, actor))


def actors_named(text: str) -> tuple[str, ...]:
    """Return the actors whom a text may name: by the name alone, by the label, or as the record has it."""
    named = [f"{kind} {text}" for kind in LABELS]
    for kind, label in LABELS.items():
        prefix, _placeholder, suffix = str(label).partition("%(name)s")
        if text.startswith(prefix) and text.endswith(suffix):
            named.append(f"{kind} {text.removeprefix(prefix).removesuffix(suffix)}")
    return tuple(dict.fromkeys([text, *named]))
