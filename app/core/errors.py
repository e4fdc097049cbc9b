"""What the core refuses, one type per kind. The faces turn each into an answer or a page, in one place."""


class Refusal(Exception):
    """Something was asked that is not done. Nothing was changed. The message is fit to be shown."""


class Unavailable(Refusal):
    """The database is away, or busy past its timeout. The same request may go through later."""

    def __init__(self) -> None:
        super().__init__("The database is away or busy. Nothing was changed; try again in a moment.")


class NotFound(Refusal):
    """What was asked for does not exist."""


class CustomerNotFound(NotFound):
    """No customer has this document_id or e-mail."""


class AmbiguousEmail(Refusal):
    """Several customers share the e-mail."""


class NoLongerKnown(Refusal):
    """What was asked for is older than the record that is kept."""


class NameTaken(Refusal):
    """Another token or operator carries this name already."""


class AlreadyFilled(Refusal):
    """The demo only fills an empty database."""
