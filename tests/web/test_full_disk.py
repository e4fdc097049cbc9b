"""A full disk: 503 with Retry-After, and no process that is killed."""

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.web.metric_files import AllocatedDict
from tests.support.html_client import HtmlClient


def no_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_upload_without_space_is_503(app: Flask, editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pages.imports.create_import", no_space)
    upload = {"file": (io.BytesIO(b"document_id\n1\n"), "a.csv")}
    response = editor.post("/imports", data=upload, status=503, content_type="multipart/form-data")
    assert response.headers["Retry-After"]
    assert "disk of the service is full" in response.text


def test_metrics_without_space_are_counted_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", no_space)
        values = AllocatedDict(str(tmp_path / "counter_1.db"))
    values.write_value("a", 1.0, 0.0)
    assert values.read_value("a")[0] == 1.0
    values.close()


def test_the_space_of_metrics_is_allocated(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    values = AllocatedDict(str(path))
    assert not has_holes(path)
    for number in range(20_000):
        values.write_value(f"a value with a long name {number}", 1.0, 0.0)
    assert not has_holes(path)
    values.close()


def has_holes(path: Path) -> bool:
    """Return whether a part of the file has no space on the disk yet: a write to it can fail later."""
    file = path.stat()
    return file.st_blocks * 512 < file.st_size
