"""Users, and events that they may see."""

from uuid import UUID

from joserfc.jwk import OKPKey

from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.conversations import ConversationRead
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role

TENANT = UUID(int=1)
ANNA = Identity(UUID(int=11), TENANT, Role.AGENT, UUID(int=111))
BEN = Identity(UUID(int=12), TENANT, Role.ADMIN, UUID(int=112))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))
"""A user of another tenant."""

KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "test"})
SIGNER = IdentitySigner(KEY)
TOKENS = {"good": ANNA}


def headers_of(user: Identity) -> dict[str, str]:
    """The headers that the gateway sends."""
    return {IDENTITY_HEADER: SIGNER.sign(user, "realtime")}


def read_by(user: Identity, seq: int) -> ConversationRead:
    """An event that only this user may see, numbered by `seq`."""
    return ConversationRead(user_id=user.user_id, contact_phone="+14155550100", seq=seq)


def large(seq: int, size: int) -> ConversationRead:
    """An event of about `size` bytes that only Anna may see."""
    return read_by(ANNA, seq).model_copy(update={"contact_phone": "x" * size})


def revoked(user: Identity) -> SessionRevoked:
    """The revocation of a user's session."""
    return SessionRevoked(session_ids=(user.session_id,), user_id=user.user_id, reason="logout")
