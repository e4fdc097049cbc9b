"""The pages that a URL leads to, by the names of their templates."""

from tests.support.browser import BrowserSession

PageState = tuple[str, BrowserSession]
"""The name of the page's template followed by what is special about its state; and the window that shows it."""

LUCIA = "/customers/1232-2323"
GOLD = "/segments/membership/GOLD"
ALL_MATCHING = "/bulk-edits/new?all_matching=yes"

LISTS = {
    "overview": "/",
    "customers": "/customers",
    "customers without a match": "/customers?q=nobody+at+all",
    "customers filtered": "/customers?segment=membership:GOLD&without=interest:WINE&has=any&q=go&sort=-name",
    "segments": "/segments",
    "similar_segments": "/similar-segments",
    "segment_types": "/segment-types",
    "segment_type": "/segment-types/membership",
    "segment_days": "/segment-days",
    "segment_days with an error": "/segment-days?start=2999-01-01",
    "changes": "/changes",
    "changes filtered": "/changes?actor=nobody&segment=membership:GOLD&since=2026-01-01",
    "imports": "/imports",
    "approvals": "/approvals",
    "tokens": "/tokens",
    "webhooks": "/webhooks",
    "operators": "/operators",
    "operator": "/operators/1",
    "audit_log": "/audit-log",
    "account": "/account",
    "second_factor": "/account/second-factor",
    "confirm_password": "/account/confirm-password",
    "error 404": "/nowhere",
    "error 400": "/customer-count?has=some",
    "customers with an invalid filter": "/customers?has=nonsense",
    "customers with segments to choose from": "/customers?add_segment=er",
    "customer_profile": "/customer-new",
}
DETAILS = {
    "customer": LUCIA,
    "customer_undo": "/changes/1/undo/1232-2323",
    "customer_rename": "/customer-rename/1232-2323",
    "customer_erase": "/customer-erase/1232-2323",
    "segment": GOLD,
    "segment with a small share": "/segments/affiliation/NEW_CUSTOMER",
    "segment_movements": f"{GOLD}/days",
    "customer_day": "/customer-day/1232-2323",
    "segment_rename": f"{GOLD}/rename",
    "segment_alerts": f"{GOLD}/alerts",
    "change_set": "/changes/1",
    "change_set of a nightly job": "/changes/2",
    "change_set_undo": "/changes/2/undo",
}
"""Pages that exist only in a shop with customers."""
