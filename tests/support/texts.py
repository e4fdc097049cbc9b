"""What counts as a text on a page."""

import re

SAME_IN_EVERY_LANGUAGE = {
    *("API", "CSV", "CSV (Excel)", "Customer Segments", "· Customer Segments", "ID", "JSON Lines"),
    *("API · Customer Segments", "Alt ↑", "Alt ↓", "Ctrl K", "Enter", "Esc", "Shift"),
}
"""Proper names, formats and keys."""

READ_ALOUD = ("aria-label", "alt", "placeholder", "title")
WORD = re.compile(r"[A-Za-z]{2,}")
