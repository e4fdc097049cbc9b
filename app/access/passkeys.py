"""Passkeys: WebAuthn credentials, by which an operator signs in without a password.

A passkey verifies the person (by PIN, fingerprint or face), so that it is two factors in one.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.access.audit_log import record_event
from app.access.operators import AuthenticatedSession, Operator
from app.access.sessions import (
    ClientInfo,
    NewSession,
    create_session_in,
    revoke_sessions,
    upgrade_session,
)
from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import BadRequest
from app.core.limits import MAX_PASSKEY_NAME_LENGTH

SERVICE_NAME = "Customer Segments"


@dataclass(frozen=True)
class RelyingParty:
    """The service as WebAuthn sees it: its host name, and the origin of its pages."""

    host: str
    origin: str


class InvalidPasskey(BadRequest):
    code = "INVALID_PASSKEY"
    explanation = "The passkey is unknown, or its response does not verify."


class Passkey(Base):
    """A passkey of an operator: its public key, as WebAuthn delivers it."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[str] = mapped_column(unique=True)
    """base64url."""
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(dialects.Id)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def list_passkeys(operator_id: int) -> list[Passkey]:
    query = select(Passkey).where(Passkey.operator_id == operator_id).order_by(Passkey.id)
    return list(db.session.scalars(query))


def registration_options(operator: Operator, party: RelyingParty) -> tuple[str, str]:
    """Return the options for `navigator.credentials.create` as JSON, and their challenge."""
    options = generate_registration_options(
        rp_id=party.host,
        rp_name=SERVICE_NAME,
        user_id=str(operator.id).encode(),
        user_name=operator.email,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(base64url_to_bytes(passkey.credential_id))
            for passkey in list_passkeys(operator.id)
        ],
    )
    return options_to_json(options), bytes_to_base64url(options.challenge)


def register_passkey(
    current: AuthenticatedSession, credential: Any, name: str, challenge: str, party: RelyingParty
) -> None:
    """Store the passkey that the browser created, and end the operator's other sessions. Raises InvalidPasskey."""
    try:
        verified = verify_registration_response(
            credential=json.dumps(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=party.host,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise InvalidPasskey("The passkey could not be verified. Nothing was changed.") from None
    operator_id, email = current.operator.id, current.operator.email

    def work(session: Session) -> None:
        session.add(
            Passkey(
                operator_id=operator_id,
                credential_id=bytes_to_base64url(verified.credential_id),
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                name=name.strip()[:MAX_PASSKEY_NAME_LENGTH] or "Passkey",
                created_at=now(),
            )
        )
        revoke_sessions(session, operator_id, except_id=current.session_id)
        upgrade_session(session, current.session_id, "passkey")
        record_event(session, "second_factor_added", email, after={"kind": "passkey", "name": name})

    run_in_transaction(work)


def authentication_options(party: RelyingParty) -> tuple[str, str]:
    """Return the options for `navigator.credentials.get` as JSON, and their challenge."""
    options = generate_authentication_options(rp_id=party.host, user_verification=UserVerificationRequirement.REQUIRED)
    return options_to_json(options), bytes_to_base64url(options.challenge)


def sign_in_with_passkey(credential: Any, challenge: str, party: RelyingParty, client: ClientInfo) -> NewSession:
    """Return a new session. Raises InvalidPasskey."""
    credential_id = credential.get("id") if isinstance(credential, dict) else None

    def work(session: Session) -> NewSession:
        query = (
            select(Passkey, Operator.id, Operator.email)
            .join(Operator, Operator.id == Passkey.operator_id)
            .where(Passkey.credential_id == str(credential_id), Operator.deactivated_at.is_(None))
            .with_for_update(of=Passkey)
        )
        row = session.execute(query).one_or_none()
        if row is None:
            raise InvalidPasskey("This passkey is not known here.")
        passkey, operator_id, email = row
        passkey.sign_count = _verify(passkey, credential, challenge, party)
        passkey.last_used_at = now()
        record_event(session, "sign_in", actor=f"operator {email}", after={"method": "passkey"})
        secret = create_session_in(session, operator_id, client, "passkey")
        return NewSession(secret, pending=False, email=email)

    return run_in_transaction(work)


def _verify(passkey: Passkey, credential: Any, challenge: str, party: RelyingParty) -> int:
    """Return the new signature count. Raises InvalidPasskey."""
    try:
        verified = verify_authentication_response(
            credential=json.dumps(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=party.host,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise InvalidPasskey("The passkey could not be verified.") from None
    return verified.new_sign_count
