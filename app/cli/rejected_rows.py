"""The rows that were not applied, written beside the file they came from."""

from pathlib import Path

from app.cli.terminal import pluralize, print_message
from app.files.export import rejected_csv_chunks
from app.files.staging import Staging


def write_rejected_rows(staging: Staging, columns: list[str] | None, path: str) -> bool:
    """Write rejected rows to FILE.rejected.csv, with `line` and `error`; return whether there were any."""
    count = staging.rejected_count()
    if not count:
        return False
    target = Path(("stdin" if path == "-" else path) + ".rejected.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        file.writelines(rejected_csv_chunks(columns, staging.rejected()))
    print_message(f"{pluralize(count, 'row')} rejected; see {target} for lines and reasons.")
    return True
