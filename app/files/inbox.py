"""A folder in which another system puts files: each complete file is taken once, however many processes look.

A process takes a file by renaming it into `working/`, which one process alone can do, and holds it by a lock that ends
with the process. A file in `working/` without a lock was left by a killed process, and is taken up again.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import orjson

INCOMPLETE = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", "~")
"""Endings of names that programs give to files while they write them."""

FileOutcome = Literal["done", "failed"]


@dataclass(frozen=True)
class TakenFile:
    """A file in `working/` that this process holds. Its name begins with the time at which it was taken."""

    path: Path
    content: IO[bytes]

    @property
    def name(self) -> str:
        """The name as text that a database can store."""
        return os.fsencode(self.path.name).decode("utf-8", "replace")

    @property
    def modified_at(self) -> datetime:
        return datetime.fromtimestamp(os.fstat(self.content.fileno()).st_mtime, UTC)

    @property
    def _mark(self) -> Path:
        return self.path.with_name(f".{self.path.name}.job")

    def mark(self, job_id: int) -> None:
        """Note the job of the file, for the process that takes it up when this one is killed."""
        _write(self._mark, [str(job_id).encode()])

    def marked_job(self) -> int | None:
        with suppress(FileNotFoundError, ValueError):
            return int(self._mark.read_bytes())
        return None

    def finish(self, outcome: FileOutcome, report: dict[str, Any], rejected: Iterable[bytes] | None) -> Path:
        """Move the file to `done/` or `failed/`, after its report and its rejected rows; return its new path."""
        target = self.path.parent.parent / outcome / self.path.name
        if rejected is not None:
            _write(target.with_name(f"{target.name}.rejected.csv"), rejected)
        _write(target.with_name(f"{target.name}.report.json"), [orjson.dumps(report, option=orjson.OPT_INDENT_2)])
        self.path.rename(target)
        self._mark.unlink(missing_ok=True)
        return target


def take_files(folder: Path, *, min_age: float, report_future: Callable[[str], None]) -> Iterator[TakenFile]:
    """Yield the files to work on, each held until the next: what killed processes left, then new files, oldest first.

    A new file is complete when nothing has been written to it for `min_age` seconds. Those whose time is in the future
    wait, and are named to `report_future`. Raises OSError for a folder that cannot be read or written.
    """
    for name in ("working", "done", "failed"):
        (folder / name).mkdir(exist_ok=True)
    for path in sorted(_files(folder / "working")):
        with _hold(path) as taken:
            if taken:
                yield taken
    _remove_marks(folder / "working")
    for path in _complete_files(folder, min_age, report_future):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        target = folder / "working" / f"{stamp}-{path.name}"
        try:
            path.rename(target)
        except FileNotFoundError:  # another process was faster
            continue
        with _hold(target) as taken:
            if taken:
                yield taken


def _files(folder: Path) -> list[Path]:
    """Return the regular files of a folder, without hidden ones and links."""
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not entry.name.startswith(".")]
        return [Path(entry.path) for entry in found if entry.is_file(follow_symlinks=False)]


def _complete_files(folder: Path, min_age: float, report_future: Callable[[str], None]) -> list[Path]:
    complete = []
    for path in _files(folder):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        age = time.time() - max(status.st_mtime, status.st_ctime)  # a program may set the first while it writes
        if age < -min_age:
            report_future(path.name)
        if age >= min_age and not path.name.lower().endswith(INCOMPLETE):
            complete.append((status.st_mtime, path))
    return [path for _, path in sorted(complete)]


@contextmanager
def _hold(path: Path) -> Iterator[TakenFile | None]:
    """Lock a file in `working/` for the block; None if another process holds or has finished it."""
    try:
        content = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with content:
        try:
            fcntl.flock(content, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = path.exists() and path.stat().st_ino == os.fstat(content.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        yield TakenFile(path, content) if is_ours else None


def _remove_marks(working: Path) -> None:
    """Remove marks whose file was moved just before its process was killed."""
    for mark in working.glob(".*.job"):
        if not (working / mark.name[1:].removesuffix(".job")).exists():
            mark.unlink(missing_ok=True)


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file so that it is there as a whole or not at all, also after a crash."""
    temporary = path.with_name(f".{path.name.lstrip('.')}.tmp")
    with temporary.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
