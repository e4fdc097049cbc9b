"""Settings of the server. `gunicorn wsgi:app` reads this file by itself."""

import gc

# Collections are rare: a large request creates a million objects, and the imports below some hundred thousand.
# Measured on 10,000 customers: parsing took 42 ms before, 22 ms after; a start took 1.6 s before, 1.3 s after.
gc.set_threshold(200_000, 50, 100)

import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from gunicorn import glogging

# Files in it are in memory: a full disk does not matter.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

# The workers share metrics in this folder. prometheus_client reads the variable on import, so it comes first.
PREFIX = "customer-segments-metrics-"
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY)

from prometheus_client.multiprocess import mark_process_dead

from app import background
from app.settings import InvalidSettings, read_settings
from app.web.logging import configure

try:
    settings = read_settings(os.environ, Path(__file__).parent / "instance")
except InvalidSettings as error:
    sys.exit(f"Cannot start: {error}")
configure(settings["LOG_FORMAT"])

bind = [f"{settings['HOST']}:{settings['PORT']}"]
if settings["METRICS_BIND"]:
    bind.append("{}:{}".format(*settings["METRICS_BIND"]))
workers = settings["WEB_CONCURRENCY"]

# The event loop of a worker reads and writes; threads only compute. Few threads: they share one interpreter.
worker_class = "app.server.worker.BufferedWorker"
threads = 4

# Connections per worker, as many as it can open files. Idle connections cost memory only, and no threads.
_open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_open_files, _open_files))
worker_connections = max(100, min(10_000, _open_files - 200))

# The master ends a worker whose event loop does not run for so long. Threads at work do not count.
timeout = 60
# After a stop or a reload, requests may run for so long: longer than the timeouts of the database with all retries.
graceful_timeout = 60

# Clients of a nightly job keep their connection between two calls. The worker closes it after 15 s.
keepalive = 15

# A restart of workers after a number of requests would only help against memory leaks, of which there are none.
max_requests = 0

# The largest value that gunicorn allows: every document_id that can be stored fits into a path.
limit_request_line = 8190

# The application logs each request, with its request id and change set, and without personal data.
accesslog = None

# gunicorn does not interpret headers of proxies. TRUSTED_PROXIES decides: see app/web/proxies.py.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

# It would need a writable directory, and nothing here uses it.
control_socket_disable = True

# The heartbeats of the workers are files.
worker_tmp_dir = MEMORY


class logger_class(glogging.Logger):  # noqa: N801 - the name that gunicorn reads
    """Send gunicorn's messages through the formatter of the application."""

    def setup(self, cfg: object) -> None:
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel("INFO")


def on_starting(server: object) -> None:
    """Remove the metrics of masters that were killed."""
    for folder in Path(MEMORY or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        master = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{master}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def post_worker_init(worker: object) -> None:
    """Start the background tasks, and leave what is loaded by now out of all later garbage collections."""
    gc.collect()
    gc.freeze()
    worker.stop_background = background.start(worker.wsgi)


def worker_exit(server: object, worker: object) -> None:
    stop = getattr(worker, "stop_background", None)
    if stop:
        stop()


def child_exit(server: object, worker: object) -> None:
    """Keep the counters of a worker that ended, and drop its gauges."""
    mark_process_dead(worker.pid)


def on_exit(server: object) -> None:
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
