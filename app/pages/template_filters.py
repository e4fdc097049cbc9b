"""How numbers, dates, times and sources are written in the pages: by the operator's language and time zone."""

from datetime import date, datetime, timedelta
from zlib import crc32

from babel.numbers import format_percent
from flask import Blueprint
from flask_babel import (
    format_date,
    format_datetime,
    format_decimal,
    format_timedelta,
    get_locale,
    get_timezone,
    lazy_gettext,
    ngettext,
    to_user_timezone,
)
from flask_babel import gettext as _

from app.core.database import now
from app.core.models.customers import PROFILE_FIELDS
from app.pages.days import today
from app.pages.role_texts import ROLE_NAMES
from app.serialization.segment_notation import format_segment

HUES = 8
SOURCES = {
    "api": lazy_gettext("API"),
    "page": lazy_gettext("Web app"),
    "import": lazy_gettext("Import"),
    "command": lazy_gettext("Command line"),
}
STATES = {
    "active": lazy_gettext("Active"),
    "deactivated": lazy_gettext("Deactivated"),
    "delivered": lazy_gettext("Delivered"),
    "expired": lazy_gettext("Expired"),
    "failed": lazy_gettext("Failed"),
    "invited": lazy_gettext("Invited"),
    "paused": lazy_gettext("Paused"),
    "pending": lazy_gettext("Pending"),
    "revoked": lazy_gettext("Revoked"),
}
"""States of operators, tokens, webhooks and deliveries."""

SIGN_IN_METHODS = {
    "all": lazy_gettext("all"),
    "authenticator app": lazy_gettext("Authenticator app"),
    "passkey": lazy_gettext("Passkey"),
    "password and code": lazy_gettext("Password and code"),
    "password": lazy_gettext("Password"),
    "recovery code": lazy_gettext("Recovery code"),
    "single sign-on": lazy_gettext("Single sign-on"),
}
SIZE_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
DAY_PATTERNS = {"pt": "d 'de' MMM 'de' y"}
DAY_PATTERN = "d MMM y"
"""Of languages that are not in `DAY_PATTERNS`."""


def register(blueprint: Blueprint) -> None:
    for template_filter in (
        browser,
        clock_time,
        customer_count,
        day,
        file_size,
        format_segment,
        hue,
        iso_timestamp,
        local_day,
        local_time,
        milliseconds,
        number,
        percentage,
        relative_time,
        role_label,
        sign_in_method,
        signed,
        source,
        state_label,
    ):
        blueprint.add_app_template_filter(template_filter)
    blueprint.add_app_template_global(now)
    blueprint.add_app_template_global(time_zone_name)
    blueprint.add_app_template_global(today)
    blueprint.app_context_processor(lambda: {"profile_labels": [(field.name, field.label) for field in PROFILE_FIELDS]})


# Numbers


def number(value: int) -> str:
    return str(format_decimal(value))


def signed(value: int) -> str:
    """Return the number with a plus or a true minus sign, which are equally wide; zero as ±0."""
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    return sign + number(abs(value))


def customer_count(value: int) -> str:
    """Return `1 customer`, `1,042 customers`."""
    return str(ngettext("%(count)s customer", "%(count)s customers", value, count=number(value)))


def file_size(size: int) -> str:
    """Return `2.6 kB`, `12 MB`, in units of 1,000 bytes."""
    unit, factor = next((unit for unit in SIZE_UNITS if size >= unit[1]), ("B", 1))
    value = size / factor
    return f"{format_decimal(round(value, 1 if value < 10 else 0))}\N{NO-BREAK SPACE}{unit}"


def milliseconds(value: int) -> str:
    """Return `1,042 ms`."""
    return f"{number(value)}\N{NO-BREAK SPACE}ms"


def percentage(part: int, whole: int) -> str:
    """Return the share in percent: with one decimal below 10 %, and `< 0.1%` for what would be rounded to zero."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.001:
        return "< " + _percent(0.001)
    return _percent(round(share, 3 if share < 0.1 else 2))


def _percent(share: float) -> str:
    return str(format_percent(share, locale=get_locale(), decimal_quantization=False))


# Dates and times


def day(value: date) -> str:
    """Return `26 Nov 2026`."""
    return str(format_date(value, _day_pattern()))


def _day_pattern() -> str:
    return DAY_PATTERNS.get(get_locale().language, DAY_PATTERN)


def local_day(at: datetime) -> str:
    """Return the day in the operator's time zone, `26 Nov 2026`."""
    return day(to_user_timezone(at).date())


def local_time(at: datetime) -> str:
    """Return `26 Nov 2026, 03:13 (Madrid)`."""
    return f"{format_datetime(at, f'{_day_pattern()}, HH:mm')} ({time_zone_name()})"


def clock_time(at: datetime) -> str:
    """Return `03:13 (Madrid)`."""
    return f"{format_datetime(at, 'HH:mm')} ({time_zone_name()})"


def time_zone_name(zone: str | None = None) -> str:
    """Return the city of a time zone such as Europe/Madrid; the operator's if none is given."""
    return (zone or str(get_timezone())).rpartition("/")[2].replace("_", " ")


def relative_time(at: datetime) -> str:
    """Return `5 minutes ago`, `yesterday`; after a week the day."""
    passed = now() - at
    days = (to_user_timezone(now()).date() - to_user_timezone(at).date()).days
    if passed < timedelta(minutes=1):
        return str(_("just now"))
    if passed < timedelta(days=1):
        unit = timedelta(minutes=1) if passed < timedelta(hours=1) else timedelta(hours=1)
        return str(format_timedelta(-(passed // unit) * unit, threshold=1, add_direction=True))
    if days == 1:
        return str(_("yesterday"))
    if days < 7:
        return str(format_timedelta(timedelta(days=-days), threshold=1, add_direction=True))
    return local_day(at)


def iso_timestamp(at: datetime) -> str:
    """Return the machine-readable form, `2026-11-26T02:13:27Z`."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


# Names


def hue(type_: str) -> int:
    """Return the colour of a type of segments, always the same one; the type is written beside it."""
    return crc32(type_.encode("utf-8", "surrogatepass")) % HUES


def role_label(name: str) -> str:
    return str(ROLE_NAMES.get(name, name))


def state_label(name: str) -> str:
    return str(STATES.get(name, name))


def sign_in_method(name: str) -> str:
    return str(SIGN_IN_METHODS.get(name, name))


def source(name: str) -> str:
    """Return the label of the source of a change."""
    return str(SOURCES.get(name, name))


BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "Android": "Android",  # before Linux, which its user agents name too
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "Linux": "Linux",
}


def browser(user_agent: str) -> str:
    """Return `Firefox on Windows`; the user agent itself if either is unknown, and a text if there is none."""
    if not user_agent:
        return str(_("Unknown browser"))
    name, system = (next((names[token] for token in names if token in user_agent), "") for names in (BROWSERS, SYSTEMS))
    return str(_("%(browser)s on %(system)s", browser=name, system=system)) if name and system else user_agent
