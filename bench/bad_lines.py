"""A file of customers with bad lines in it, of twenty kinds, and what is to come of it."""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

import orjson

from bench import dataset

BAD_LINES = 1_000
HEADER = ("document_id", "name", "email", "phone", "segments")
BAD: tuple[Callable[[str], bytes], ...] = (
    lambda id_: b",Ana,a@x.co,1,[]",
    lambda id_: b"x" * 513 + b",Ana,a@x.co,1,[]",
    lambda id_: f"{id_},{'n' * 1001},a@x.co,1,[]".encode(),
    lambda id_: f"{id_},Ana,{'e' * 513},1,[]".encode(),
    lambda id_: f"{id_},Ana,a@x.co,{'1' * 101},[]".encode(),
    lambda id_: f"{id_},Ana".encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,[],more".encode(),
    lambda id_: f"{id_},A\0na,a@x.co,1,[]".encode(),
    lambda id_: f"{id_},A".encode() + b"\xff" + b"na,a@x.co,1,[]",
    lambda id_: f"{id_},Ana,a@x.co,1,GOLD".encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,{{}}".encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"""GOLD"""'.encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,7".encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[""GOLD""]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""value"": ""GOLD""}}]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""type"": ""membership""}}]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""type"": null, ""value"": ""GOLD""}}]"'.encode(),
    lambda id_: f'{id_},Ana,a@x.co,1,"[{{""type"": ""membership"", ""value"": 7}}]"'.encode(),
    lambda id_: f"{id_},Ana,a@x.co,1,[[]]".encode(),
    lambda id_: f'"{id_}"x,Ana,a@x.co,1,[]'.encode(),
)
"""Twenty kinds of lines that cannot be applied."""

Wanted = dict[str, tuple[str, bytes]]
"""`{document_id: (name, segments as JSON)}`."""


def write_file(path: Path, rows: int, stored: int, bad: int, dice: random.Random) -> tuple[Wanted, list[int]]:
    """A file of so many rows, nine in ten of them of stored customers; what it wants, and the numbers of bad lines."""
    wanted: Wanted = {}
    bad_at = set(dice.sample(range(rows), bad))
    with path.open("wb") as file:
        file.write(",".join(HEADER).encode() + b"\n")
        for n in range(rows):
            number = n if n % 10 else stored + n
            id_ = dataset.document_id(number)
            if n in bad_at:
                file.write(BAD[n % len(BAD)](id_) + b"\n")
                continue
            facts, segments = dataset.facts(number + 1), orjson.dumps(dataset.segments(dice))
            line = io.StringIO(newline="")
            csv.writer(line, lineterminator="\n").writerow([id_, *facts.values(), segments.decode()])
            file.write(line.getvalue().encode())
            wanted[id_] = (facts["name"], segments)
    return wanted, sorted(n + 2 for n in bad_at)
