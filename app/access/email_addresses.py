"""E-mail addresses of operators: validated when they are stored, compared in one normal form."""

import re
import unicodedata

from app.core.errors import BadRequest
from app.core.limits import MAX_EMAIL_LENGTH

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")


class InvalidEmail(BadRequest):
    code = "INVALID_EMAIL"
    explanation = "The text is not an e-mail address."


def normalize_email(text: str) -> str:
    """Return the e-mail without surrounding spaces and with case folded: the form that is stored and compared."""
    return text.strip().casefold()


def parse_email(text: str) -> str:
    """Return the normal form of a new operator's e-mail. Raises InvalidEmail.

    Compatibility characters such as full-width letters are refused: they look like letters that a keyboard types.
    """
    email = normalize_email(text)
    valid = (
        len(email) <= MAX_EMAIL_LENGTH
        and email.isprintable()
        and unicodedata.is_normalized("NFKC", email)
        and _ADDRESS.fullmatch(email)
    )
    if not valid:
        raise InvalidEmail("Enter a valid email.")
    return email
