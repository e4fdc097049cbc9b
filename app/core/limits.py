"""Limits that users, clients and operators can meet, in one place: schemas, pages and documentation read them here.

The limits of the service that can be configured (customers and bytes per request) are in `app.settings`.
"""

from datetime import timedelta

MAX_DOCUMENT_ID_LENGTH = 512
"""In characters. A PostgreSQL index entry holds about 2,700 bytes, and a character takes up to four."""

MAX_PAGE_SIZE = 1000
"""Elements in a page of an API list."""

MAX_WAIT_S = 60
"""Seconds that a request for the change feed can wait for changes. Proxies allow 60 by default."""

MAX_RULE_VALUES = 1000
"""Values in the list of a segment type."""

MAX_RULE_DESCRIPTION_LENGTH = 500

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

MAX_WORKBOOK_BYTES = 20 * 1024 * 1024
"""A workbook, which is read as a whole: some 400,000 rows. Larger ones are saved as CSV."""

MAX_WORKBOOK_ROWS = 100_000
"""Customers in an exported workbook, which is written as a whole before the first byte is sent."""

MAX_UNCOMPRESSED_WORKBOOK_BYTES = 400 * 1024 * 1024

MAX_UNCOMPRESSED_BYTES = 8 * 1024**3
"""What a compressed file may unfold to."""

MAX_LINE_BYTES = 32 * 1024 * 1024
"""A line of a file."""

MAX_JSON_DEPTH = 500
"""Levels of nesting in the JSON of a file."""

MAX_COLUMNS = 500

MAX_COLUMN_NAME_LENGTH = 1000

MAX_REPORTED_IDS = 1000
"""Ids in each list of the report of a job."""

MAX_REJECTED_ROWS = 1_000_000
"""Rows with errors: a file with more of them is the wrong file, and would fill the disk."""

BATCH_SIZE = 5_000
"""Customers that a job, a command or the demo changes in one transaction, at most: about half a second.

Of several transactions each has fewer on SQLite: `dialects.batch_size`.
"""

MAX_CLOCK_SKEW = timedelta(seconds=60)
"""How far in the future `as_of` may lie (contract §8)."""

MAX_SEGMENT_TEXT_LENGTH = 1000
"""Characters of a type or value that operators enter. The API has no limit (contract §1)."""

MAX_QUERY_LENGTH = 1000
"""Characters of a search or a filter on the pages."""

MAX_VIEWS = 50
"""Saved views of the customer list: each is a tab."""

MAX_VIEW_NAME_LENGTH = 60

MAX_SELECTED = 1_000
"""Customers selected one by one for a bulk edit."""

MIN_PASSWORD_LENGTH = 10

MAX_PASSWORD_LENGTH = 500

MAX_PASSKEY_NAME_LENGTH = 100

MAX_EMAIL_LENGTH = 254
"""Of an operator's address: RFC 5321 allows a path of 256 characters with its angle brackets."""

MAX_TOKEN_NETWORKS = 50

MAX_TOKEN_TYPES = 50

MAX_ROTATION_OVERLAP_HOURS = 168
"""For so long the old secret of a webhook can sign beside the new one."""

MAX_WEBHOOK_URL_LENGTH = 2000
