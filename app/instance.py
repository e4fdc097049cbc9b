"""Files of the service on this machine: the folder `instance/`, the secret key and a SQLite database."""

import os
import secrets
from pathlib import Path

from sqlalchemy.engine import make_url

from app.core.dialects.backup import is_sqlite_file


class InvalidSettings(Exception):
    """The service cannot start with this environment. The message lists all problems."""


def create_folder(path: Path) -> None:
    """Create a folder with access for its owner only. Raises InvalidSettings."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSettings(
            f"The folder {path} cannot be created: {error.strerror}. Create it, or set DATABASE_URL."
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidSettings(
            f"The folder {path} is not writable for this user. Change its owner, or set DATABASE_URL."
        )


def load_or_create_secret(path: Path) -> str:
    """Return the secret in `path`; create it first if needed. The link is atomic: of parallel starts one wins."""
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    try:
        return path.read_text().strip()
    except OSError as error:
        raise InvalidSettings(f"The secret key {path} cannot be read: {error.strerror}. Change its owner.") from None


def _sqlite_file(database_url: str) -> Path | None:
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return None
    return Path(url.database)


def beside_sqlite(database_url: str, suffix: str) -> Path | None:
    """Return the file with this suffix beside a SQLite database; None for another database."""
    path = _sqlite_file(database_url)
    return path and path.with_name(path.name + suffix)


def prepare_sqlite(database_url: str) -> None:
    """Create the file of a SQLite database with access for its owner only, or check an existing file.

    SQLite gives its auxiliary files the same permissions. Raises InvalidSettings.
    """
    path = _sqlite_file(database_url)
    if path is None:
        return
    try:
        if not path.exists():
            path.touch(mode=0o600)
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode & ~0o077)
    except OSError as error:
        raise InvalidSettings(f"The database {path} cannot be opened: {error.strerror}.") from None
    if not is_sqlite_file(path):
        raise InvalidSettings(f"{path} is not a SQLite database. Move it away, or restore a backup (flask restore).")
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise InvalidSettings(f"The database {path} or its folder is not writable for this user. Change their owner.")
