"""The options of commands that read a file: how it is written, where that cannot be detected."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from app.files.columns import COLUMN_ROLES, SEGMENT_OF, TAGS_OF
from app.files.formats import DELIMITERS, ENCODINGS, KnownFormat
from app.files.reading import Source, open_path

DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@dataclass(frozen=True)
class FileOptions:
    encoding: str | None
    delimiter: str | None
    roles: list[str] | None
    clear_empty: bool
    sheet: str | None

    def open(self, path: str) -> AbstractContextManager[Source]:
        """Open the file as the options say. Raises UnreadableFile."""
        return open_path(path, KnownFormat(self.encoding, self.delimiter, self.sheet))


def _delimiter(_context: Any, _option: Any, value: str | None) -> str | None:
    delimiter = DELIMITER_NAMES.get(value or "", value)
    if delimiter is not None and (len(delimiter) != 1 or delimiter not in DELIMITERS):
        raise click.BadParameter(f"must be one of {', '.join(DELIMITER_NAMES)}.")
    return delimiter


def _roles(_context: Any, _option: Any, value: str | None) -> list[str] | None:
    roles = None if value is None else [role.strip() for role in value.split(",")]
    for role in roles or ():
        if role and role not in COLUMN_ROLES and not role.startswith((SEGMENT_OF, TAGS_OF)):
            raise click.BadParameter(
                f"{role!r} is none of {', '.join(COLUMN_ROLES)}, {SEGMENT_OF}TYPE and {TAGS_OF}TYPE."
            )
    return roles


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which receives them as `options`."""

    @click.option("--encoding", type=click.Choice(list(ENCODINGS)), help="Default: detected.")
    @click.option("--delimiter", callback=_delimiter, metavar="|".join(DELIMITER_NAMES), help="Default: detected.")
    @click.option(
        "--columns",
        "roles",
        callback=_roles,
        metavar="ROLE,ROLE,…",
        help="What each column holds, in order; nothing to ignore one. Default: detected from the header.",
    )
    @click.option("--sheet", help="Of a workbook. Default: the first that is not empty.")
    @click.option("--keep-empty", is_flag=True, help="Empty cells leave the field unchanged instead of clearing it.")
    @wraps(command)
    def with_options(
        *args: Any,
        encoding: str | None,
        delimiter: str | None,
        roles: list[str] | None,
        keep_empty: bool,
        sheet: str | None,
        **kwargs: Any,
    ) -> Any:
        return command(*args, options=FileOptions(encoding, delimiter, roles, not keep_empty, sheet), **kwargs)

    return with_options
