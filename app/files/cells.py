"""The cells of a CSV: which of them a spreadsheet would change, how they are protected, and how a foreign one is read.

A spreadsheet runs a cell that begins like a formula, drops the zeros of `00012` and makes 100000 of `1e5`. An
apostrophe before the text prevents it, and the import removes that apostrophe: what we export comes back exactly.
"""

import re

FORMULA_SIGNS = "=+\\-@＝＋－＠"
APOSTROPHE = "'"

_FORMULA = re.compile(f"[{FORMULA_SIGNS}\t\r\n]")
_NUMBER = re.compile(
    r"0[0-9]+|[0-9]{16,}|[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+|[0-9]{1,4}[-/.][0-9]{1,2}([-/.][0-9]{1,4})?|true|false",
    re.IGNORECASE,
)
"""Texts that a spreadsheet takes for a number, a date or a truth value, and shows or saves differently."""

_BLANK = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u2060\ufeff"
"""All spaces, and the zero-width characters that come along when a cell is copied from a web page."""

# Where semicolons or tabs separate columns, the text after one begins a cell: it gets an apostrophe of its own.
_INNER_FORMULA = re.compile(f"([;\t\r\n][ ]*)('*)(?=[{FORMULA_SIGNS}])")
_MARKED_INNER_FORMULA = re.compile(f"([;\t\r\n][ ]*)'('*)(?=[{FORMULA_SIGNS}])")

_JSON_FORMULA = re.compile(f"(;[ ]*)([{FORMULA_SIGNS}])")

EMPTY_WORDS = frozenset({"null", "#n/a", "n/a", "#null!", "nan", "(null)", "none"})
"""What databases and spreadsheets write for an empty cell."""
MAX_EMPTY_WORD_LENGTH = max(map(len, EMPTY_WORDS))


def escape_cell(cell: str) -> str:
    """Protect a cell against spreadsheets."""
    cell = _INNER_FORMULA.sub(r"\1'\2", cell)
    return APOSTROPHE + cell if _is_changed_by_spreadsheets(cell) or _needs_mark(cell) else cell


def escape_for_import(cell: str) -> str:
    """Protect only what `unescape_cell` and `trim_cell` would change."""
    if _MARKED_INNER_FORMULA.search(cell):
        cell = _INNER_FORMULA.sub(r"\1'\2", cell)
    return APOSTROPHE + cell if _needs_mark(cell) else cell


def protect_raw_cell(cell: str) -> str:
    """Protect a cell that stood in a file, where an apostrophe is a mark already."""
    cell = re.sub(f"([;\t\r\n][ ]*)(?=[{FORMULA_SIGNS}])", r"\1'", cell)
    return APOSTROPHE + cell if _is_changed_by_spreadsheets(cell) else cell


def _is_changed_by_spreadsheets(cell: str) -> bool:
    return bool(_FORMULA.match(cell) or _NUMBER.fullmatch(cell))


def _needs_mark(cell: str) -> bool:
    return cell.startswith(APOSTROPHE) or cell != trim_cell(cell)


def is_marked(cell: str) -> bool:
    """Return whether the first apostrophe of a cell is a text mark: the text needs one, unlike 't Hooft."""
    text = cell[1:]
    return cell.startswith(APOSTROPHE) and (_is_changed_by_spreadsheets(text) or _needs_mark(text) or text.isdigit())


def unescape_cell(cell: str) -> str:
    """Return the cell as it was before `escape_cell`, otherwise unchanged."""
    if APOSTROPHE not in cell:
        return cell
    text = cell[1:] if is_marked(cell) else cell
    return _MARKED_INNER_FORMULA.sub(r"\1\2", text)


def unescape_id(cell: str) -> str:
    """Return an id: no id begins with an apostrophe that is not a text mark, as shops write it before all of theirs."""
    return _MARKED_INNER_FORMULA.sub(r"\1\2", cell.removeprefix(APOSTROPHE)) if APOSTROPHE in cell else cell


def trim_cell(cell: str) -> str:
    """Remove blanks, no-break spaces and invisible characters at both ends; a marked cell stays as it is."""
    return cell if cell.startswith(APOSTROPHE) else cell.strip(_BLANK)


def escape_json(text: str) -> str:
    """Protect a cell of JSON: a formula sign after a semicolon is written as its code."""
    return _JSON_FORMULA.sub(lambda match: f"{match[1]}\\u{ord(match[2]):04x}", text)
