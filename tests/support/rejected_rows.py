"""The file of rejected rows that a command writes."""

import csv
from pathlib import Path


def read_rejected(file: str) -> list[dict[str, str]]:
    with Path(file + ".rejected.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
