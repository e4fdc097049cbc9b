"""The lines that were not applied, kept beside the file they came from."""

import csv
from pathlib import Path

from app.cli.terminal import number, say
from app.files.staging import Staging


def keep_rejected(staging: Staging, path: str) -> bool:
    """Write them to FILE.rejected.csv in their own columns, with `line` and `error`; whether there were any."""
    count = staging.count("rejected")
    if not count:
        return False
    columns: dict[str, None] = {}
    for _, _, row in staging.rejected():
        columns.update(dict.fromkeys(row))
    target = Path(("stdin" if path == "-" else path) + ".rejected.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, "line", "error"])
        for line, error, row in staging.rejected():
            writer.writerow([*(row.get(name, "") for name in columns), line, error])
    say(f"{number(count, 'line')} rejected: {target} says which and why.")
    return True
