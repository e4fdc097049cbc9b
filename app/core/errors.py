"""What the core refuses, one type per kind. The faces turn each into an answer or a page, in one place."""


class DomainError(Exception):
    """Something was asked that is not done. Nothing was changed. The message is fit to be shown."""


class Unavailable(DomainError):
    """The database is away, or busy past its timeout. The same request may go through later."""

    def __init__(self) -> None:
        super().__init__("The database is away or busy. Nothing was changed; try again in a moment.")


class NotFound(DomainError):
    """What was asked for does not exist."""


class CustomerNotFound(NotFound):
    """No customer has this document_id or e-mail."""


class AmbiguousEmail(DomainError):
    """Several customers share the e-mail."""


class NoLongerRetained(DomainError):
    """What was asked for is older than the record that is kept."""


class DuplicateName(DomainError):
    """Another token or operator carries this name already."""


class DatabaseNotEmpty(DomainError):
    """The demo only fills an empty database."""
