"""The provider accounts that tenants send with."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from uuid import UUID

import asyncpg
import structlog

from conversations.adapters.credential_encryption import CredentialEncryption
from conversations.adapters.sandbox import Sandbox
from conversations.adapters.twilio import open_twilio
from conversations.domain.providers import Provider, ProviderAccount
from conversations.settings import Settings
from conversations.store.channels import find_account_by_key, find_account_written_to, find_default_account
from switchboard.postgres.database import Database
from switchboard.runtime.encryption import EncryptionKeys, Undecryptable
from switchboard.runtime.unavailable import Unavailable

CACHE_SECONDS = 2.0
CACHE_SIZE = 10_000
DEFAULT_ENDPOINT = "default"

log = structlog.get_logger(__name__)


@dataclass
class ProviderAccounts:
    """Finds accounts and their providers. `default`: the installation's own account, for tenants that have none."""

    providers: Mapping[str, Provider]
    default: ProviderAccount
    encryption: CredentialEncryption = field(default_factory=CredentialEncryption)
    _cache: dict[UUID, tuple[ProviderAccount, float]] = field(default_factory=dict)

    async def of_tenant(self, conn: asyncpg.Connection, tenant_id: UUID) -> ProviderAccount:
        """The account that the tenant sends with, cached for `CACHE_SECONDS`."""
        cached = self._cache.get(tenant_id)
        if cached is not None and monotonic() < cached[1]:
            return cached[0]
        found = self._opened(await find_default_account(conn, tenant_id))
        account = found if found is not None and found.provider in self.providers else self.default
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[tenant_id] = (account, monotonic() + CACHE_SECONDS)
        return account

    async def answering(self, database: Database, account: ProviderAccount, phone: str) -> ProviderAccount:
        """The account that answers a contact: the one that it wrote to last, else `account`, its tenant's own."""
        if not account.has_siblings or account.tenant_id is None:
            return account
        async with database.connection() as conn:
            found = self._opened(await find_account_written_to(conn, account.tenant_id, phone))
        return found if found is not None and found.provider in self.providers else account

    async def of_endpoint(self, database: Database, provider: str, endpoint_key: str) -> ProviderAccount | None:
        """The account that a webhook's path belongs to."""
        if (provider, endpoint_key) == (self.default.provider, self.default.endpoint_key):
            return self.default
        async with database.connection() as conn:
            return self._opened(await find_account_by_key(conn, provider, endpoint_key))

    def _opened(self, account: ProviderAccount | None) -> ProviderAccount | None:
        """An account as it is kept, with its credentials decrypted. Raises `Unavailable` when the key is lost."""
        if account is None:
            return None
        try:
            return replace(account, credentials=self.encryption.open(account.credentials))
        except Undecryptable as error:
            log.error("credentials_undecryptable", tenant_id=str(account.tenant_id), reason=str(error))
            raise Unavailable(f"the channel's credentials can't be decrypted: {error}") from error

    def provider_of(self, account: ProviderAccount) -> Provider:
        return self.providers[account.provider]

    def idempotent(self) -> frozenset[str]:
        """The names of the providers that take idempotency keys."""
        return frozenset(name for name, provider in self.providers.items() if provider.idempotent)


@asynccontextmanager
async def open_provider_accounts(settings: Settings, database: Database) -> AsyncIterator[ProviderAccounts]:
    default = ProviderAccount("sandbox", "+15005550006", DEFAULT_ENDPOINT)
    if settings.messaging_provider == "twilio":
        credentials = {"account_sid": settings.twilio_account_sid, "auth_token": settings.twilio_auth_token}
        default = ProviderAccount("twilio", settings.twilio_from, DEFAULT_ENDPOINT, credentials)
    keys = None if settings.encryption_key_file is None else EncryptionKeys(settings.encryption_key_file)
    encryption = CredentialEncryption(keys, settings.keep_clear_credentials)
    connections = 2 * settings.sending_slots
    async with open_twilio(settings.twilio_base_url, settings.public_url, connections=connections) as twilio:
        yield ProviderAccounts({"sandbox": Sandbox(database), "twilio": twilio}, default, encryption)
