"""Erasures recorded outside the database: a restored backup that is older contains the customers again (contract §8).

Each line of the file has the time of an erasure and, encrypted under SECRET_KEY, the internal numbers and document_ids
of the customers. The lines go after RETENTION: no backup that is older may be restored.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import structlog

from app.core.database import now
from app.core.encryption import SecretKeyLost, cipher
from app.core.errors import Unavailable

log = structlog.get_logger()

PURPOSE = "erasure log"
RETENTION = timedelta(days=90)


@dataclass(frozen=True)
class ErasureRecord:
    """Customers who were erased: their internal numbers, and all document_ids they had."""

    numbers: list[int]
    ids: list[str]


def _nowhere() -> Path | None:
    return None


_path: Callable[[], Path | None] = _nowhere


def use_erasure_log(path: Callable[[], Path | None]) -> None:
    """Set where the application at hand records erasures; None for nowhere."""
    global _path  # noqa: PLW0603 - the core cannot import the application that is made of it
    _path = path


def record_erasure(erased: ErasureRecord) -> None:
    """Append customers to the log, and wait until the disk has it. Raises Unavailable."""
    path = _path()
    if path is None:
        return
    line = f"{now().isoformat()} {cipher(PURPOSE).encrypt(orjson.dumps(asdict(erased)).decode())}\n"
    try:
        with _locked(path) as descriptor:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
    except OSError as error:
        log.error("erasure_not_recorded", path=str(path), reason=error.strerror)
        raise Unavailable from error


def recorded_erasures() -> Iterable[ErasureRecord]:
    """Yield what the log has, oldest first; lines under a lost SECRET_KEY are left out."""
    path = _path()
    if path is None or not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield ErasureRecord(**orjson.loads(cipher(PURPOSE).decrypt(line.partition(" ")[2])))
        except SecretKeyLost:
            continue


def remove_old_erasures() -> None:
    """Delete the lines that are older than RETENTION."""
    path = _path()
    if path is None or not path.exists():
        return
    with _locked(path):
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if datetime.fromisoformat(line.partition(" ")[0]) > now() - RETENTION]
        if len(kept) < len(lines):
            draft = path.with_name(f"{path.name}.new")
            draft.touch(mode=0o600)
            draft.write_text("".join(kept))
            draft.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open the log, to be appended to, while no other process writes it or replaces it."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                yield descriptor
                return
        finally:
            os.close(descriptor)
