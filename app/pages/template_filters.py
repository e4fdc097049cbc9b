"""How numbers, times, segments and their changes are said in the pages."""

from datetime import date, datetime
from zlib import crc32

from flask import Blueprint

from app.core.database import now
from app.core.models.customers import PROFILE_FIELDS
from app.serialization.segment_notation import format_segment

HUES = 8

SOURCES = {"api": "API", "page": "page", "command": "command"}


def register(blueprint: Blueprint) -> None:
    for text in (
        number,
        signed,
        percentage,
        relative_time,
        utc_timestamp,
        iso_timestamp,
        day,
        hue,
        source,
        plural,
        browser,
    ):
        blueprint.add_app_template_filter(text)
    blueprint.add_app_template_filter(format_segment)
    blueprint.add_app_template_global(now)
    blueprint.app_context_processor(lambda: {"profile_labels": [(field.name, field.label) for field in PROFILE_FIELDS]})


def number(value: int) -> str:
    return f"{value:,}"


def signed(value: int) -> str:
    """With a true minus sign, which is as wide as the plus."""
    return f"{value:+,}".replace("-", "−")


def plural(value: int, one: str, many: str | None = None) -> str:
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def percentage(part: int, whole: int) -> str:
    """Percent, with as many digits as say something."""
    percent = 100 * part / whole if whole else 0.0
    digits = f"{percent:.0f}" if percent >= 10 or percent == 0 else f"{percent:.1f}" if percent >= 0.1 else "< 0.1"
    return f"{digits} %".replace(" ", "\N{NO-BREAK SPACE}")


def relative_time(at: datetime) -> str:
    """`5 minutes ago`, `yesterday`, `3 May 2026`."""
    seconds = int((now() - at).total_seconds())
    days = (now().date() - at.date()).days
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{plural(seconds // 60, 'minute')} ago"
    if seconds < 24 * 3600:
        return f"{plural(seconds // 3600, 'hour')} ago"
    if days < 7:
        return "yesterday" if days == 1 else f"{days} days ago"
    return day(at.date())


def utc_timestamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def iso_timestamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def day(value: date) -> str:
    return f"{value.day} {value:%b %Y}"


def hue(type_: str) -> int:
    """One of a few colours for a type of segments, always the same one. An ornament: the type stands beside it."""
    return crc32(type_.encode("utf-8", "surrogatepass")) % HUES


def source(name: str) -> str:
    return SOURCES.get(name, name)


BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "Android": "Android",  # which calls itself Linux, too
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "Linux": "Linux",
}


def browser(user_agent: str) -> str:
    """`Firefox on Windows`, or what the browser calls itself if that says neither."""
    name, system = (next((names[mark] for mark in names if mark in user_agent), "") for names in (BROWSERS, SYSTEMS))
    return f"{name} on {system}" if name and system else user_agent
