"""A generated file of customers with invalid lines of twenty kinds, and its expected result."""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

import orjson

from bench import dataset

INVALID_LINES = 1_000
HEADER = ("document_id", "name", "email", "phone", "segments")
INVALID_ROWS: tuple[Callable[[str], bytes], ...] = (
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
"""Makes each of twenty kinds of lines that cannot be applied."""

Expected = dict[str, tuple[str, bytes]]
"""`{document_id: (name, segments as JSON)}`."""


def write_file(path: Path, rows: int, stored: int, invalid: int, rng: random.Random) -> tuple[Expected, list[int]]:
    """Write a file, nine in ten rows of stored customers; return its expected result and the invalid line numbers."""
    expected: Expected = {}
    invalid_at = set(rng.sample(range(rows), invalid))
    with path.open("wb") as file:
        file.write(",".join(HEADER).encode() + b"\n")
        for n in range(rows):
            number = n if n % 10 else stored + n
            id_ = dataset.document_id(number)
            if n in invalid_at:
                file.write(INVALID_ROWS[n % len(INVALID_ROWS)](id_) + b"\n")
                continue
            profile, segments = dataset.profile(number + 1), orjson.dumps(dataset.segments(rng))
            line = io.StringIO(newline="")
            csv.writer(line, lineterminator="\n").writerow([id_, *profile.values(), segments.decode()])
            file.write(line.getvalue().encode())
            expected[id_] = (profile["name"], segments)
    return expected, sorted(n + 2 for n in invalid_at)
