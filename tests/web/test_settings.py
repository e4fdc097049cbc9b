"""Settings: read in one place, checked at start, told in the README."""

import re
from pathlib import Path

import pytest

from app.settings import SETTINGS, InvalidSettings, read_settings
from tests.support.gunicorn import ROOT


def test_the_defaults_work(tmp_path: Path) -> None:
    settings = read_settings({}, tmp_path / "instance")
    assert settings["DATABASE_URL"] == f"sqlite:///{tmp_path}/instance/customer-segments.db"
    assert settings["PORT"] == 8000
    assert settings["MAX_CUSTOMERS_PER_REQUEST"] == 50_000
    assert settings["MAX_BODY_BYTES"] == 32 * 1024 * 1024


def test_the_secret_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    secret = read_settings({}, tmp_path)["SECRET_KEY"]
    assert len(secret) == 64
    assert read_settings({}, tmp_path)["SECRET_KEY"] == secret
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_it_accepts_every_spelling_of_postgresql(tmp_path: Path, scheme: str) -> None:
    environ = {"DATABASE_URL": f"{scheme}://u:p%40@h/d", "SECRET_KEY": "x"}
    assert read_settings(environ, tmp_path)["DATABASE_URL"] == "postgresql+psycopg://u:p%40@h/d"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"DATABASE_URL": "postgresql://h/d"}, "SECRET_KEY"),
        ({"DATABASE_URL": "mysql://h/d", "SECRET_KEY": "x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "nonsense", "SECRET_KEY": "x"}, "DATABASE_URL"),
        ({"PORT": "http"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY"),
        ({"MAX_BODY_BYTES": "32MB"}, "MAX_BODY_BYTES"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"RATE_LIMIT": "often"}, "RATE_LIMIT"),
        ({"RATE_LIMIT": "10 per second; 600 per minute"}, "RATE_LIMIT"),
        ({"PORT": "x", "LOG_FORMAT": "y"}, "PORT must be a port, 1 to 65535. LOG_FORMAT"),
    ],
)
def test_it_names_what_cannot_be_used(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidSettings, match=re.escape(named)):
        read_settings(environ, tmp_path)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? *\| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [(setting.name, setting.default, setting.help) for setting in SETTINGS]
