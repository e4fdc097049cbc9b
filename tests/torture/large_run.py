"""A running service with some customers, an operator and a token, for a large job."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

from tests.support.feed import Mirror
from tests.torture.__main__ import _flask
from tests.torture.operator_client import OperatorClient
from tests.torture.services import PATIENCE_S, RestartableService

STORED = [f"stored-{number:02}" for number in range(20)]
EMAIL, PASSWORD = "operator@example.com", "torture torture torture"
KEY = "torture torture torture torture torture"


@dataclass
class Run:
    """The service, its database, and who uses it."""

    service: RestartableService
    environ: dict[str, str]
    engine: Engine
    token: str
    operator: OperatorClient
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When another writer began to wait, by the monotonic clock, and for how many seconds."""
    kills: list[float] = field(default_factory=list)
    """When all workers were killed."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Moments, and KiB of the larger worker."""
    failures: list[str] = field(default_factory=list)
    mirror: Mirror = field(default_factory=dict)
    cursor: str = ""
    """Up to where the mirror has followed the change feed."""
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def call(self, path: str, body: Any = None, *, method: str | None = None, **headers: str) -> Any:
        """Call the API and return its JSON."""
        headers |= {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return json.load(response)

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), parameters).all())

    def analyze(self) -> None:
        """Let PostgreSQL count the rows as they are now."""
        if self.engine.dialect.name == "postgresql":
            with self.engine.connect() as connection:
                connection.execute(text("ANALYZE"))


@contextmanager
def prepared(url: str, folder: Path) -> Iterator[Run]:
    """Yield a running service with some customers, an operator and a token."""
    environ = {"DATABASE_URL": url, "SECRET_KEY": KEY, "LOG_FORMAT": "json"}
    file = folder / "stored.csv"
    file.write_text("document_id\n" + "\n".join(STORED) + "\n")
    _flask(environ, "db", "upgrade")
    _flask(environ, "customers", "import", str(file))
    token = _flask(environ, "tokens", "create", "torture").splitlines()[-1]
    _flask(environ, "operators", "create", EMAIL, "--role", "editor", "--password-stdin", stdin=PASSWORD)
    service = RestartableService(environ, folder / "log")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        service.start()
        operator = OperatorClient(f"http://127.0.0.1:{service.port}", EMAIL, PASSWORD)
        yield Run(service, environ, engine, token, operator)
    finally:
        engine.dispose()
        service.stop()
