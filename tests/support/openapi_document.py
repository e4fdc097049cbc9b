"""Write the OpenAPI document to a file, for the linter: `python -m tests.support.openapi_document FILE`."""

import sys
from pathlib import Path

from app import create_app


def main(file: Path) -> None:
    app = create_app({"DATABASE_URL": "sqlite://", "SECRET_KEY": "lint " * 10})
    file.write_bytes(app.test_client().get("/api/v3/openapi.json").data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
