"""The authenticator app of an operator."""

import re
from datetime import timedelta

import pyotp

from app.core.database import now
from tests.support.html_client import HtmlClient, HtmlPage


def set_up_app(operator: HtmlClient) -> tuple[pyotp.TOTP, list[str]]:
    """Turn the authenticator app on; return its codes and the recovery codes."""
    page = operator.submit("/account/second-factor/app")
    totp = pyotp.TOTP(next(word for word in page.text.split() if re.fullmatch("[A-Z2-7]{32}", word)))
    assert 'src="data:image/svg+xml' in page.html
    operator.post("/account/second-factor/app/confirm", {"code": "000000"}, status=200)
    shown = operator.post("/account/second-factor/app/confirm", {"code": code_at(totp, -1)}, status=200)
    return totp, re.findall("[0-9a-f]{8}(?:-[0-9a-f]{8}){3}", HtmlPage(shown.text).text)


def code_at(totp: pyotp.TOTP, steps: int = 0) -> str:
    return totp.at(now() + timedelta(seconds=30 * steps))
