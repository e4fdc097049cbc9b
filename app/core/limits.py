"""Limits that users, clients and operators can meet, in one place: schemas, pages and documentation read them here.

The limits of the service that can be configured (customers and bytes per request) are in `app.settings`.
"""

MAX_DOCUMENT_ID_LENGTH = 512
"""In characters. A PostgreSQL index entry holds about 2,700 bytes, and a character takes up to four."""

MAX_PAGE_SIZE = 1000
"""Elements in a page of an API list."""

MAX_REASON_LENGTH = 500
"""Characters of the reason that the header Change-Reason gives."""

MAX_LOOKUP = 1000
"""Ids or e-mails in one look-up."""

MAX_ERROR_DETAILS = 100
"""Problems that one refusal lists (contract §1)."""

MAX_COUNTED_ERRORS = 10_000
"""Problems that are counted one by one; a body with millions of them must not keep a worker busy."""

MAX_IDEMPOTENCY_KEY_LENGTH = 255

MAX_LOGGED_PATHS = 20
"""Paths of problems that the request log of a token keeps."""

MAX_FORM_BYTES = 4 * 1024 * 1024
"""A form of the pages: an editor with tens of thousands of segments. Bodies of the API have their own limit."""

MAX_UPLOAD_BYTES = 1024 * 1024 * 1024
"""A file to import; larger files are imported with the command."""
