"""The faults of a run: each does damage, and repairs what it must before the next one."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.torture.services import PATIENCE_S, Proxy, RestartableService, children_of, has_ended, kill

WEIGHTS = {"worker killed": 4}
"""How often a fault is chosen, beside 1 for the others."""


@dataclass
class Faults:
    """Injects faults into the service and its database, and counts them by name."""

    service: RestartableService
    random: random.Random
    proxy: Proxy | None = None
    postgresql: Any = None
    counts: dict[str, int] = field(default_factory=dict)

    def inject_one(self) -> None:
        choices = self._choices()
        names = sorted(choices)
        name = self.random.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]
        choices[name]()
        self.counts[name] = self.counts.get(name, 0) + 1

    def _choices(self) -> dict[str, Callable[[], None]]:
        choices = {
            "worker killed": self._kill_worker,
            "worker frozen": self._freeze_worker,
            "master killed": self.service.kill_master,
            "reload": self.service.reload,
        }
        if self.postgresql is not None:
            choices |= {"PostgreSQL killed": self._kill_postgresql, "partition": self._partition}
        return choices

    def _kill_worker(self) -> None:
        for pid in self._some_worker():
            kill(pid)

    def _freeze_worker(self) -> None:
        for pid in self._some_worker():
            kill(pid, signal.SIGSTOP)
            time.sleep(1.5)
            kill(pid, signal.SIGCONT)

    def _some_worker(self) -> list[int]:
        pids = self.service.pids()
        return [self.random.choice(pids)] if pids else []

    def _kill_postgresql(self) -> None:
        server = self.postgresql.get_pid()
        processes = [server, *children_of(server)]
        kill(server)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not all(map(has_ended, processes)):
            time.sleep(0.1)
        # Until its parent has noticed, the dead server has a process id, and would be taken for one that runs.
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.postgresql.pgdata / name).unlink(missing_ok=True)
        while time.monotonic() < end:
            time.sleep(0.5)
            try:
                self.postgresql.ensure_postgres_running()
            except Exception:
                continue
            return
        raise RuntimeError("PostgreSQL does not start again")

    def _partition(self) -> None:
        assert self.proxy
        self.proxy.paused.set()
        time.sleep(self.random.uniform(1, 8))
        self.proxy.paused.clear()
