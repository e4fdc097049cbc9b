"""Languages and time zones of the pages: translations, and how numbers, dates and times are written.

The catalogues are committed as `.po` files and compiled in memory at start, so they cannot be out of date.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask
from flask_babel import Babel, get_domain, refresh

from app.settings import LANGUAGES

CATALOGUES = Path(__file__).parent.parent / "translations"


def init_app(app: Flask, *, locale: Callable[[], str | None], time_zone: Callable[[], str | None]) -> None:
    """Set up translations. `locale` and `time_zone` return those of the current request; None for the default."""
    babel = Babel()
    babel.init_app(
        app,
        default_locale=app.config["DEFAULT_LOCALE"],
        default_timezone=app.config["TIME_ZONE"],
        default_translation_directories=str(CATALOGUES),
        locale_selector=locale,
        timezone_selector=time_zone,
    )
    app.before_request(refresh)  # an application context may outlive a request
    with app.app_context():
        domain = get_domain()
        for name in LANGUAGES:
            domain.cache[name, domain.domain[0]] = load_translations(name)


def load_translations(locale: str) -> Translations:
    """Return the compiled catalogue of a locale; an empty one for English, the language of the source."""
    path = CATALOGUES / locale / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return Translations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=locale))
    compiled.seek(0)
    return Translations(compiled)
