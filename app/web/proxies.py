"""What a proxy in front may set, and which host names the service answers to. Nothing else reads these headers.

The server (gunicorn.conf.py) interprets none of them, also not from loopback.
"""

import re
from collections.abc import Iterable
from typing import Any

import orjson
from flask import Flask
from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted
from werkzeug.wrappers import Response

_ADDRESS_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+)(?::[0-9]+)?|\[(?P<v6>[0-9A-Fa-f:.]+)\](?::[0-9]+)?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")

PROBES = ("/healthz", "/readyz", "/metrics")
"""Load balancers request these by address, not by name."""


def init_app(app: Flask) -> None:
    proxies = app.config["TRUSTED_PROXIES"]
    if app.config["TRUSTED_HOSTS"]:
        app.wsgi_app = _TrustedHosts(app.wsgi_app, app.config["TRUSTED_HOSTS"])  # type: ignore[method-assign]
    if proxies:
        fixed = ProxyFix(_Normalized(app.wsgi_app), x_for=proxies, x_proto=proxies, x_host=proxies, x_prefix=proxies)
        app.wsgi_app = fixed  # type: ignore[method-assign]


class _TrustedHosts:
    """Refuse requests for other host names: links in invitations contain the name that the request had."""

    def __init__(self, application: Any, hosts: list[str]) -> None:
        self._application, self._hosts = application, hosts

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] in PROBES:
            environ["HTTP_HOST"] = self._hosts[0].lstrip(".")  # Flask checks the name, too
        if host_is_trusted(environ.get("HTTP_HOST", ""), self._hosts):
            result: Iterable[bytes] = self._application(environ, start_response)
            return result
        message = "The service does not answer to this host name (TRUSTED_HOSTS)."
        error = {"error": {"code": "BAD_REQUEST", "message": message, "details": []}}
        return Response(orjson.dumps(error), SecurityError.code, content_type="application/json")(
            environ, start_response
        )


class _Normalized:
    """Correct the values that ProxyFix has taken from the headers."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        match = _ADDRESS_WITH_PORT.fullmatch(environ["REMOTE_ADDR"])
        if match:
            environ["REMOTE_ADDR"] = match["v4"] or match["v6"]
        if environ["wsgi.url_scheme"] not in ("http", "https"):
            environ["wsgi.url_scheme"] = "http"
        prefix = environ.get("SCRIPT_NAME", "")
        environ["SCRIPT_NAME"] = prefix.rstrip("/") if _PREFIX.fullmatch(prefix) else ""
        result: Iterable[bytes] = self._application(environ, start_response)
        return result
