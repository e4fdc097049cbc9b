"""Allocate the files in which prometheus_client shares metrics between processes.

The library maps files with holes into memory. When the file system is full, writing to a hole kills the process. Here
the space is allocated when the file is created; if there is none, the process counts in memory of its own.
"""

import os
import tempfile
from typing import Any

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from app.web.shared_memory import anonymous_file

FILE_BYTES = 1024 * 1024
"""Five times what all labels need: they come from fixed sets."""

MAX_ENTRY_BYTES = 4096

log = structlog.get_logger("app.metrics")


class AllocatedDict(MmapedDict):
    """The values of one process, in a file whose space is allocated."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        super().__init__(filename if read_mode else _allocate(filename), read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        """Add a value. Raises OSError if the file would have to grow and there is no space."""
        file: Any = self._f
        if self._used + MAX_ENTRY_BYTES > self._capacity:
            os.posix_fallocate(file.fileno(), self._capacity, self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def _allocate(filename: str) -> str:
    """Create the file, or one in memory if there is no space for it; return its name.

    The file gets its name when its space is allocated: a sum over the files of all processes never reads an empty one.
    """
    if os.path.exists(filename):  # of an earlier process with the same id: its counts go on
        return filename
    try:
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(filename), prefix="new-") as file:
            os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
            os.link(file.name, filename)
    except OSError as error:
        log.error("metrics_not_shared", error=error.strerror)
        return f"/proc/self/fd/{anonymous_file(FILE_BYTES)}"
    return filename


def install() -> None:
    """Make prometheus_client use the class. Call it before the first metric is created."""
    values.MmapedDict = AllocatedDict  # type: ignore[attr-defined]
