"""The keys of the service: SECRET_KEY signs and encrypts, SECRET_KEY_FALLBACKS are still accepted."""

from collections.abc import Sequence

from flask import current_app


def secret_keys() -> Sequence[str]:
    """Return SECRET_KEY, followed by the fallbacks."""
    return current_app.config["SECRET_KEY"], *(current_app.config["SECRET_KEY_FALLBACKS"] or ())
