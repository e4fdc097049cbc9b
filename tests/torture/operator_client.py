"""What an operator does on the pages, without a browser: sign in, upload a file, press buttons."""

import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.torture.services import PATIENCE_S

CSRF_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class OperatorClient:
    """A signed-in operator. Requests that meet a killed worker are sent again by the caller."""

    def __init__(self, address: str, email: str, password: str) -> None:
        self.address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._csrf_token = CSRF_TOKEN.findall(self.get("/sign-in"))[0]
        self.post("/sign-in", email=email, password=password)
        self._csrf_token = CSRF_TOKEN.findall(self.get("/account"))[0]

    def get(self, path: str) -> str:
        return str(self._open(path)[1])

    def post(self, path: str, **form: str | list[str]) -> str:
        """Send a form; return the path of the page after it."""
        fields = {"csrf_token": self._csrf_token, **form}
        return self._open(path, urllib.parse.urlencode(fields, doseq=True).encode())[0]

    def upload(self, path: str, file: Path) -> str:
        """Send a file; return the path of the page after it."""
        boundary = uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{self._csrf_token}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
        )
        body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        return self._open(path, body, f"multipart/form-data; boundary={boundary}")[0]

    def _open(self, path: str, body: bytes | None = None, content_type: str | None = None) -> tuple[str, str]:
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(self.address + path, body, headers)
        with self._opener.open(request, timeout=PATIENCE_S) as response:
            return urllib.parse.urlsplit(response.url).path, response.read().decode()


def persist(send: Callable[..., str], /, *arguments: Any, **form: Any) -> str:
    """Call until it is answered: workers are killed meanwhile. A button that was pressed already is answered 409."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(http.client.HTTPException, ConnectionError, urllib.error.URLError):
            try:
                return send(*arguments, **form)
            except urllib.error.HTTPError as error:
                if error.code == 409:
                    return ""
        time.sleep(0.5)
    raise RuntimeError("no answer")
