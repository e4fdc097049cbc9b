"""What changed in the profiles of customers."""

from sqlalchemy.orm import Mapped, mapped_column

from app.core import dialects
from app.core.database import Base

Profile = dict[str, str | None]
"""Some of `{"name": …, "email": …, "phone": …}`."""


class ProfileChange(Base):
    """What one change set did to the facts of one customer: None before she was created, and after she was removed."""

    __tablename__ = "profile_changes"

    change_set_id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False)
    document_id: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    before: Mapped[Profile | None] = mapped_column(dialects.Json)
    after: Mapped[Profile | None] = mapped_column(dialects.Json)
