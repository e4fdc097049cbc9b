"""Client of the Customer Segments API."""

from customer_segments.client import Client
from customer_segments.errors import ApiError, JobFailed
from customer_segments.models import BatchTotals, MembersResult, Page, ReplaceResult, Segment

__all__ = ["ApiError", "BatchTotals", "Client", "JobFailed", "MembersResult", "Page", "ReplaceResult", "Segment"]
