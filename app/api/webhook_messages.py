"""The section `webhooks` of the OpenAPI document: what receivers are sent, and what their answers mean."""

from typing import Any

from app.webhooks.messages import CHANGE_SET, MESSAGES, NIGHT_MISSED, SEGMENT_ALERT, TEST

SUMMARIES = {
    CHANGE_SET: "Customers have changed",
    SEGMENT_ALERT: "An alert on a size was raised, or has cleared",
    NIGHT_MISSED: "A nightly sender has not come",
    TEST: "A test event was requested",
}
DESCRIPTION = """Standard Webhooks: `webhook-signature` has one signature for each secret, each over `webhook-id`,
`webhook-timestamp` and the body. A repeated message has the same `webhook-id`."""
HEADERS = {
    "webhook-id": "Identifies the message.",
    "webhook-timestamp": "When it was sent, in seconds since 1970.",
    "webhook-signature": "`v1,` and a signature in Base64; several are separated by spaces.",
}
RESPONSES = {
    "2XX": {"description": "Accepts the message. Every other answer, and none within 10 seconds, has it sent again."},
    "410": {"description": "Pauses the webhook."},
}


def describe_messages(spec: Any) -> dict[str, Any]:
    """Add the schemas of the messages to the document, and return its section `webhooks`."""
    return {event: {"post": _operation(spec, event, schema)} for event, schema in MESSAGES.items()}


def _operation(spec: Any, event: str, schema: Any) -> dict[str, Any]:
    spec.components.schema(schema.__name__, schema=schema)
    content = {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}
    headers = [
        {"in": "header", "name": name, "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in HEADERS.items()
    ]
    return {
        "operationId": f"receive{schema.__name__}",
        "tags": ["Webhooks"],
        "summary": SUMMARIES[event],
        "description": DESCRIPTION,
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": RESPONSES,
    }
