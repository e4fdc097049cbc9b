"""The gunicorn worker: an event loop reads and writes for all connections, and threads run the application.

gunicorn's gevent worker accepts the connections and parses the requests. Unlike there, nothing is monkey-patched: only
the event loop uses gevent, and the application runs in ordinary threads. A thread starts when the request is complete,
and ends when its response, or a batch of a long response, is computed. Slow or idle clients never occupy a thread.
"""

import os
import socket
from typing import Any

import gevent
import structlog
from gevent import socket as gevent_socket
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException
from gunicorn.workers.ggevent import GeventWorker

from app.server import refusals
from app.server.exchange import Exchange, WorkerState
from app.server.response import OnePacketResponse
from app.web.request_id import choose_request_id
from app.web.server_environ import REQUEST_ID

HEAD_TIMEOUT_S = 15
"""For the next request on a connection: the idle time and the time to send the head."""

STOP_LINGER_S = 2
"""A stopping worker closes idle connections after this time: a client may be sending a request."""

SEND_TIMEOUT_S = 30
"""A client that accepts no data for so long is disconnected."""

log = structlog.get_logger("app.server")


class BufferedWorker(GeventWorker):  # type: ignore[misc]
    """Serve a WSGI application; see the module."""

    alive: bool
    sockets: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaiting_head: dict[gevent.Greenlet, gevent.Timeout] = {}

    def patch(self) -> None:
        """Replace the listening sockets by those of gevent, and nothing else."""
        self.sockets = [
            gevent_socket.socket(listener.FAMILY, gevent_socket.SOCK_STREAM, fileno=listener.sock.detach())
            for listener in self.sockets
        ]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.state = WorkerState.of(self.wsgi, self.cfg.threads)

    def notify(self) -> None:
        """Report to the master that this worker is alive. Without a master, stop, which frees the port."""
        self.tmp.notify()
        if self.ppid != os.getppid() and self.alive:
            log.error("master_ended", pid=os.getpid())
            self.alive = False
        self.state.stopping = not self.alive
        if not self.alive and self._awaiting_head:
            gevent.spawn_later(STOP_LINGER_S, self._close_idle)

    def _close_idle(self) -> None:
        for greenlet, timeout in list(self._awaiting_head.items()):
            gevent.kill(greenlet, timeout, block=False)

    def timeout_ctx(self) -> gevent.Timeout:
        """Return the deadline for the next head on a connection."""
        return _HeadTimeout(self._awaiting_head, HEAD_TIMEOUT_S if self.alive else STOP_LINGER_S)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer one request; return whether the connection stays open. Raises StopIteration otherwise."""
        expects_continue, req._expected_100_continue = req._expected_100_continue, False
        response, environ = wsgi.create(req, sock, addr, listener_name, self.cfg, OnePacketResponse)
        environ["wsgi.multithread"] = True
        environ[REQUEST_ID] = choose_request_id(environ.get("HTTP_X_REQUEST_ID"))
        if not self.alive:
            response.force_close()
        sock.settimeout(SEND_TIMEOUT_S)
        on_metrics_port = listener_name[1:2] == (self.state.metrics_port,)
        Exchange(self.state, req, sock, environ, response, expects_continue, on_metrics_port).run()
        sock.settimeout(None)
        if response.should_close():
            raise StopIteration
        return True

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer an invalid request. The log names the kind of the error only: its message quotes the request."""
        request_id = choose_request_id(None)
        refusal = refusals.refusal_of(exc) if isinstance(exc, ParseException) else refusals.INTERNAL
        log.warning("invalid_request", request_id=request_id, status=refusal.status, error=type(exc).__name__)
        try:
            client.settimeout(SEND_TIMEOUT_S)
            client.sendall(refusals.as_bytes(refusal, request_id))
            Exchange.linger(client)
        except OSError:
            pass  # the client has disconnected


class _HeadTimeout(gevent.Timeout):  # type: ignore[misc]
    """A deadline that the worker can end early, when it stops."""

    def __init__(self, awaiting_head: dict[gevent.Greenlet, gevent.Timeout], seconds: float) -> None:
        super().__init__(seconds, False)
        self._awaiting_head = awaiting_head

    def __enter__(self) -> "_HeadTimeout":
        self._awaiting_head[gevent.getcurrent()] = self
        super().__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> Any:
        del self._awaiting_head[gevent.getcurrent()]
        return super().__exit__(*exc_info)
