"""An OpenID Connect provider on the loopback interface, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from bench.servers.gunicorn import free_port

STARTUP_S = 60


@dataclass(frozen=True)
class Provider:
    issuer: str

    def add_user(self, subject: str, email: str, *, email_verified: bool = True, **claims: Any) -> None:
        """Create a person, or replace their claims."""
        claims = {"email": email, "email_verified": email_verified, **claims}
        requests.put(f"{self.issuer}/users/{subject}", json=claims, timeout=30).raise_for_status()


@contextmanager
def running_provider() -> Iterator[Provider]:
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        provider = Provider(f"http://127.0.0.1:{port}")
        _wait_for(provider, process)
        try:
            yield provider
        finally:
            process.terminate()


def _wait_for(provider: Provider, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTUP_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{provider.issuer}/.well-known/openid-configuration", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("The OpenID Connect provider did not start.")
