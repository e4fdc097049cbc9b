"""The second factor: one-time codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The secret of an app is stored encrypted. A code is accepted once: the time step of the last accepted code is stored.
"""

import secrets
from datetime import datetime

import pyotp
from sqlalchemy import ForeignKey, delete, exists, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.access.audit_log import record_event
from app.access.passkeys import Passkey
from app.access.secret_digests import sha256_hex
from app.access.sessions import require_renewal, revoke_sessions, upgrade_session
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.encryption import Cipher
from app.core.errors import BadRequest, NotFound

ISSUER = "Customer Segments"
STEP_S = 30
DRIFT_STEPS = 1
"""Steps by which the clock of a phone may be wrong."""

RECOVERY_CODES = 10
"""Each has 128 random bits, so that a hash without salt is enough."""


class InvalidCode(BadRequest):
    code = "INVALID_CODE"
    explanation = "The code of the second factor is wrong, expired or used."


class TotpSecret(Base):
    """The secret that an operator's authenticator app shares with the service."""

    __tablename__ = "totp_secrets"

    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True)
    encrypted_secret: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the operator entered a first code; until then it is no second factor."""
    last_step: Mapped[int] = mapped_column(dialects.Id)
    """The time step of the last accepted code."""


class RecoveryCode(Base):
    """A code that replaces the second factor once."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def has_second_factor(session: Session, operator_id: int) -> bool:
    """Return whether the operator has an authenticator app or a passkey."""
    app = exists().where(TotpSecret.operator_id == operator_id, TotpSecret.confirmed_at.is_not(None))
    passkey = exists().where(Passkey.operator_id == operator_id)
    return bool(session.scalar(select(or_(app, passkey))))


def has_totp(operator_id: int) -> bool:
    """Return whether the operator has confirmed an authenticator app."""
    row = db.session.get(TotpSecret, operator_id)
    return row is not None and row.confirmed_at is not None


def begin_totp(operator_id: int, cipher: Cipher) -> str:
    """Return the secret for a new authenticator app; it is no second factor before `confirm_totp`.

    A secret that was not confirmed is replaced. Raises InvalidCode if an app is confirmed already.
    """
    secret = pyotp.random_base32()

    def work(session: Session) -> None:
        row = session.get(TotpSecret, operator_id)
        if row is not None and row.confirmed_at:
            raise InvalidCode("An authenticator app is set up already. Remove it first.")
        row = row or TotpSecret(operator_id=operator_id, last_step=0)
        row.encrypted_secret, row.created_at = cipher.encrypt(secret), now()
        session.add(row)

    run_in_transaction(work)
    return secret


def provisioning_uri(secret: str, email: str) -> str:
    """Return the URI that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def unconfirmed_secret(operator_id: int, cipher: Cipher) -> str:
    """Return the secret that waits for its first code. Raises NotFound."""
    row = db.session.get(TotpSecret, operator_id)
    if row is None or row.confirmed_at:
        raise NotFound("No authenticator app is being set up.")
    return cipher.decrypt(row.encrypted_secret)


def confirm_totp(operator_id: int, email: str, session_id: int, code: str, cipher: Cipher) -> list[str]:
    """Make the authenticator app a second factor and end the other sessions; return new recovery codes.

    Raises InvalidCode and NotFound.
    """

    def work(session: Session) -> list[str]:
        row = session.get(TotpSecret, operator_id, with_for_update=True)
        if row is None:
            raise NotFound("No authenticator app is being set up.")
        if not _accept(row, code, cipher):
            raise InvalidCode("Incorrect code. Check the time of your phone and try the next code.")
        row.confirmed_at = now()
        revoke_sessions(session, operator_id, except_id=session_id)
        upgrade_session(session, session_id, "password and code")
        record_event(session, "second_factor_added", email, after={"kind": "authenticator app"})
        return create_recovery_codes_in(session, operator_id, email)

    return run_in_transaction(work)


def _accept(row: TotpSecret, code: str, cipher: Cipher) -> bool:
    """Return whether the code is right, and store its time step so that it is accepted once."""
    totp = pyotp.TOTP(cipher.decrypt(row.encrypted_secret), interval=STEP_S)
    digits = code.replace(" ", "")
    if not (digits.isascii() and digits.isdecimal()):
        return False
    current = int(now().timestamp()) // STEP_S
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if step > row.last_step and secrets.compare_digest(totp.generate_otp(step), digits):
            row.last_step = step
            return True
    return False


def use_code(session: Session, operator_id: int, email: str, code: str, cipher: Cipher) -> str | None:
    """Accept a code of the app or a recovery code, once; return the sign-in method, or None for a wrong code."""
    row = session.get(TotpSecret, operator_id, with_for_update=True)
    if row is not None and row.confirmed_at and _accept(row, code, cipher):
        return "password and code"
    digest = sha256_hex(_normalize_recovery_code(code))
    unused = RecoveryCode.operator_id == operator_id, RecoveryCode.digest == digest, RecoveryCode.used_at.is_(None)
    use = update(RecoveryCode).where(*unused).values(used_at=now()).returning(RecoveryCode.id)
    if session.scalar(use) is None:
        return None
    record_event(session, "recovery_code_used", email, actor=f"operator {email}")
    return "recovery code"


def create_recovery_codes(operator_id: int, email: str) -> list[str]:
    """Return new recovery codes, which replace the earlier ones; they cannot be read again."""
    return run_in_transaction(lambda session: create_recovery_codes_in(session, operator_id, email))


def create_recovery_codes_in(session: Session, operator_id: int, email: str) -> list[str]:
    """Return new recovery codes, created in this transaction."""
    codes = ["-".join(secrets.token_hex(4) for _ in range(4)) for _ in range(RECOVERY_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.operator_id == operator_id))
    digests = [sha256_hex(_normalize_recovery_code(code)) for code in codes]
    session.add_all(RecoveryCode(operator_id=operator_id, digest=digest) for digest in digests)
    record_event(session, "recovery_codes_created", email)
    return codes


def _normalize_recovery_code(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def count_recovery_codes(operator_id: int) -> int:
    """Return the number of unused recovery codes."""
    unused = RecoveryCode.operator_id == operator_id, RecoveryCode.used_at.is_(None)
    return db.session.scalar(select(func.count()).select_from(RecoveryCode).where(*unused)) or 0


def remove_totp(operator_id: int, email: str) -> None:
    """Remove the operator's authenticator app; without another second factor, the recovery codes too."""

    def work(session: Session) -> None:
        session.execute(delete(TotpSecret).where(TotpSecret.operator_id == operator_id))
        _delete_unneeded_recovery_codes(session, operator_id)
        require_renewal(session, operator_id)
        record_event(session, "second_factor_removed", email, before={"kind": "authenticator app"})

    run_in_transaction(work)


def remove_passkey(operator_id: int, email: str, passkey_id: int) -> None:
    """Remove a passkey of the operator; without another second factor, the recovery codes too. Raises NotFound."""
    own = delete(Passkey).where(Passkey.operator_id == operator_id, Passkey.id == passkey_id)

    def work(session: Session) -> None:
        name = session.scalar(own.returning(Passkey.name))
        if name is None:
            raise NotFound("Passkey not found.")
        _delete_unneeded_recovery_codes(session, operator_id)
        require_renewal(session, operator_id)
        record_event(session, "second_factor_removed", email, before={"kind": "passkey", "name": name})

    run_in_transaction(work)


def _delete_unneeded_recovery_codes(session: Session, operator_id: int) -> None:
    """Delete the recovery codes of an operator without a second factor."""
    if not has_second_factor(session, operator_id):
        session.execute(delete(RecoveryCode).where(RecoveryCode.operator_id == operator_id))


def reset_second_factor(operator_id: int, email: str) -> None:
    """Remove all second factors of an operator who has lost them, and end their sessions."""

    def work(session: Session) -> None:
        for table in (TotpSecret, RecoveryCode, Passkey):
            session.execute(delete(table).where(table.operator_id == operator_id))
        revoke_sessions(session, operator_id)
        record_event(session, "second_factor_removed", email, before={"kind": "all"})

    run_in_transaction(work)
