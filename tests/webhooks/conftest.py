"""A webhook to the receiver."""

import pytest

from tests.support.webhook_receiver import Receiver
from tests.support.webhooks import add_webhook


@pytest.fixture
def secret(receiver: Receiver) -> str:
    """Add a webhook to the receiver and return its secret."""
    return add_webhook(receiver.url)
