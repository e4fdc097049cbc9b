"""The lines that were not applied, kept beside the file they came from."""

from pathlib import Path

from app.cli.terminal import pluralize, say
from app.files.export import rejected_csv_chunks
from app.files.staging import Staging


def write_rejected_rows(staging: Staging, columns: list[str] | None, path: str) -> bool:
    """Write them to FILE.rejected.csv in their own columns, with `line` and `error`; whether there were any."""
    count = staging.any_rejected()
    if not count:
        return False
    target = Path(("stdin" if path == "-" else path) + ".rejected.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        file.writelines(rejected_csv_chunks(columns, staging.rejected()))
    say(f"{pluralize(count, 'line')} rejected: {target} says which and why.")
    return True
