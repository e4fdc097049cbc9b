"""Settings: read in one place, checked at start, listed in the README."""

import os
import re
from pathlib import Path

import pytest

from app.settings import SETTINGS, InvalidSettings, read_settings
from bench.servers.gunicorn import ROOT, SECRET_KEY


def test_defaults_are_valid(tmp_path: Path) -> None:
    settings = read_settings({}, tmp_path / "instance")
    assert settings["DATABASE_URL"] == f"sqlite:///{tmp_path}/instance/customer-segments.db"
    assert settings["PORT"] == 8000
    assert settings["MAX_CUSTOMERS_PER_REQUEST"] == 50_000
    assert settings["MAX_BODY_BYTES"] == 32 * 1024 * 1024
    assert settings["TIME_ZONE"] == "UTC"


def test_the_secret_is_generated_once(tmp_path: Path) -> None:
    secret = read_settings({}, tmp_path)["SECRET_KEY"]
    assert len(secret) == 64
    assert read_settings({}, tmp_path)["SECRET_KEY"] == secret


def test_only_the_owner_can_read_the_secret_and_the_database(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    read_settings({}, instance)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (instance, *instance.iterdir())}
    assert modes == {"instance": 0o700, "secret_key": 0o600, "customer-segments.db": 0o600}


def test_an_existing_database_is_closed_to_other_users(tmp_path: Path) -> None:
    database = tmp_path / "shop.db"
    database.touch(mode=0o644)
    read_settings({"DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": SECRET_KEY}, tmp_path)
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "customer-segments.db").write_text("document_id,name\n")
    with pytest.raises(InvalidSettings, match="is not a SQLite database"):
        read_settings({}, tmp_path)


@pytest.mark.parametrize("path", ["file/instance", "missing/shop.db"])
def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / path}", "SECRET_KEY": SECRET_KEY} if "db" in path else {}
    with pytest.raises(InvalidSettings, match="cannot be"):
        read_settings(environ, tmp_path / path)


@pytest.mark.parametrize("own_database", [False, True])
def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_database: bool
) -> None:
    """The test may run as root, who may write everywhere: the system's answer is replaced."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}", "SECRET_KEY": SECRET_KEY} if own_database else {}
    with pytest.raises(InvalidSettings, match="not writable for this user"):
        read_settings(environ, tmp_path)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_all_spellings_of_postgresql_are_accepted(tmp_path: Path, scheme: str) -> None:
    environ = {"DATABASE_URL": f"{scheme}://u:p%40@h/d", "SECRET_KEY": SECRET_KEY}
    assert read_settings(environ, tmp_path)["DATABASE_URL"] == "postgresql+psycopg://u:p%40@h/d"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DATABASE_URL": "postgresql://h/d"}, "SECRET_KEY is required"),
        ({"SECRET_KEY": "a"}, "SECRET_KEY must have at least 16 characters"),
        ({"SECRET_KEY_FALLBACKS": f"{SECRET_KEY}, a"}, "SECRET_KEY_FALLBACKS must"),
        ({"DATABASE_READ_URL": "sqlite:///replica.db"}, "DATABASE_READ_URL must begin with postgresql://"),
        ({"DATABASE_READ_URL": "postgresql://h/d"}, "DATABASE_READ_URL needs a DATABASE_URL of PostgreSQL"),
        ({"DATABASE_URL": "mysql://h/d", "SECRET_KEY": SECRET_KEY}, "DATABASE_URL"),
        ({"DATABASE_URL": "nonsense", "SECRET_KEY": SECRET_KEY}, "DATABASE_URL"),
        ({"PORT": "http"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
        ({"METRICS_BIND": "9100"}, "METRICS_BIND must"),
        ({"METRICS_BIND": "127.0.0.1:x"}, "METRICS_BIND must"),
        ({"METRICS_BIND": "127.0.0.1:8000"}, "METRICS_BIND must have another port than PORT"),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY"),
        ({"MAX_BODY_BYTES": "32MB"}, "MAX_BODY_BYTES"),
        ({"MAX_CONCURRENT_LARGE_BODIES": "0"}, "MAX_CONCURRENT_LARGE_BODIES"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"SENTRY_DSN": "sentry.example.com"}, "SENTRY_DSN must"),
        ({"LOG_URL": "https://logs.example.com/"}, "LOG_URL must"),
        ({"LOG_URL": "javascript:{request_id}"}, "LOG_URL must"),
        ({"RATE_LIMIT": "often"}, "RATE_LIMIT"),
        ({"RATE_LIMIT": "10 per second; 600 per minute"}, "RATE_LIMIT"),
        ({"TRUSTED_HOSTS": "https://shop.example.com"}, "TRUSTED_HOSTS must"),
        ({"CORS_ORIGINS": "shop.example.com"}, "CORS_ORIGINS must"),
        ({"DEFAULT_LOCALE": "xx"}, "DEFAULT_LOCALE must"),
        ({"TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE must"),
        ({"TIME_ZONE": "../../etc/passwd"}, "TIME_ZONE must"),
        ({"PORT": "x", "LOG_FORMAT": "y"}, "PORT must be a port, 1 to 65535. LOG_FORMAT"),
    ],
)
def test_invalid_settings_are_named(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSettings, match=re.escape(message)):
        read_settings(environ, tmp_path)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? *\| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [(setting.name, setting.default, setting.help) for setting in SETTINGS]
