"""Client of the Customer Segments API."""

from customer_segments.alerts import Alert, Alerts
from customer_segments.client import Client
from customer_segments.errors import ApiError, InvalidSignature, JobFailed
from customer_segments.models import BatchTotals, MembersResult, Page, ReplaceResult, Segment
from customer_segments.webhooks import Webhook, WebhookMessage, Webhooks, verify_webhook

__all__ = [
    "Alert",
    "Alerts",
    "ApiError",
    "BatchTotals",
    "Client",
    "InvalidSignature",
    "JobFailed",
    "MembersResult",
    "Page",
    "ReplaceResult",
    "Segment",
    "Webhook",
    "WebhookMessage",
    "Webhooks",
    "verify_webhook",
]
