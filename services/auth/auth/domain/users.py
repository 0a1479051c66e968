"""Users and their roles, and the rules by which one user changes another."""

import unicodedata
from dataclasses import dataclass, replace
from uuid import UUID

import idna

from switchboard.contracts.auth import RoleName
from switchboard.runtime.refusals import Conflict, Forbidden, Refusal

RANKS: dict[RoleName, int] = {"agent": 0, "admin": 1, "owner": 2}


class EmailTaken(Conflict):
    """A user with this email address exists already."""

    code = "email_taken"


class OwnerStays(Conflict):
    """The owner of a tenant keeps that role and can't be disabled."""

    code = "owner_stays"


class RankTooLow(Forbidden):
    """You can't give a role above your own, or change a user with a higher role."""


class InviteInvalid(Refusal):
    """The invitation is unknown, used or expired."""

    code = "invite_invalid"
    status = 400


@dataclass(frozen=True, slots=True)
class User:
    """A person with one email address, in one tenant.

    `version` rises with each change after which cached sessions are out of date. `password_hash` is None until an
    invitation is accepted, and for users who sign in with a provider only.
    """

    id: UUID
    tenant_id: UUID
    email: str
    name: str
    role: RoleName
    password_hash: str | None = None
    disabled: bool = False
    notify_phone: str | None = None
    time_zone: str | None = None
    version: int = 1

    def with_role(self, role: RoleName, by: RoleName) -> "User":
        """Change the role, on behalf of a user with the role `by`. Raises `OwnerStays` or `RankTooLow`."""
        if role == self.role:
            return self
        if self.role == "owner":
            raise OwnerStays()
        if RANKS[role] > RANKS[by] or role == "owner":
            raise RankTooLow()
        return replace(self, role=role, version=self.version + 1)

    def with_disabled(self, disabled: bool) -> "User":
        """Disable or enable the user. Raises `OwnerStays`."""
        if disabled == self.disabled:
            return self
        if self.role == "owner":
            raise OwnerStays()
        return replace(self, disabled=disabled, version=self.version + 1)

    def renamed(self, name: str) -> "User":
        return replace(self, name=name)

    def with_password(self, password_hash: str) -> "User":
        return replace(self, password_hash=password_hash)

    def check_may_be_changed_by(self, role: RoleName) -> None:
        """Raises `RankTooLow` if `role` is below this user's role."""
        if RANKS[self.role] > RANKS[role]:
            raise RankTooLow()


def normalise_email(text: str) -> str:
    """The one spelling in which addresses are stored and compared.

    Without surrounding spaces, in lower case, in composed Unicode (NFC), an international domain as people write it:
    `A@xn--bcher-kva.example` is `a@bücher.example`.
    """
    local, at, domain = unicodedata.normalize("NFC", text.strip()).rpartition("@")
    return f"{local.lower()}{at}{_normal_domain(domain)}"


def _normal_domain(domain: str) -> str:
    """The domain in Unicode, mapped as browsers do it (UTS 46): wide letters, ideographic dots."""
    try:
        return idna.decode(idna.encode(domain, uts46=True))
    except idna.IDNAError:
        return domain.lower()
