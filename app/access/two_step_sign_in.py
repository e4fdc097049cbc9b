"""The second step of a sign-in: the code that completes a pending session."""

from sqlalchemy.orm import Session

from app.access.audit_log import record_event
from app.access.authentication import pending_operator
from app.access.second_factor import InvalidCode, use_code
from app.access.secret_digests import new_secret
from app.access.sessions import NewSession, OperatorSession, renew_secret_in
from app.access.sign_in_throttle import SignInOrigin, count_attempt, forgive_attempt
from app.core.database import run_in_transaction
from app.core.encryption import Cipher
from app.core.errors import Unauthenticated


class SignInExpired(Unauthenticated):
    code = "SIGN_IN_EXPIRED"
    explanation = "The password was entered too long ago."


def complete_sign_in(secret: str, code: str, cipher: Cipher) -> NewSession:
    """Return the session of this secret with a new secret, after the code was checked.

    Wrong codes are delayed like wrong passwords, by operator: who enters one knows the password. Raises SignInExpired,
    InvalidCode and AccountLocked.
    """
    pending = pending_operator(secret)
    if pending is None:
        raise SignInExpired("The sign-in took too long. Start again.")
    session_id, operator = pending
    operator_id, email = operator.id, operator.email
    origin = SignInOrigin("", f"second factor {operator_id}")
    count_attempt(email, origin)
    new = new_secret()

    def work(session: Session) -> str | None:
        method = use_code(session, operator_id, email, code, cipher)
        row = session.get(OperatorSession, session_id)
        if method is None or row is None:
            record_event(session, "second_factor_failed", email)
            return None
        renew_secret_in(session, session_id, new)
        row.pending, row.method, row.previous_digest = False, method, None
        forgive_attempt(session, email, origin)
        record_event(session, "sign_in", actor=f"operator {email}", after={"method": method})
        return method

    if run_in_transaction(work) is None:
        raise InvalidCode("Incorrect code. Try the next one, or use a recovery code.")
    return NewSession(new, pending=False, email=email)
