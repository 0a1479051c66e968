"""What providers tell us. Public: the signature says who speaks; the key in the path selects tenant and secret."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from conversations.actions import inbound as actions
from conversations.adapters.provider_accounts import Accounts
from conversations.adapters.sandbox import Sandbox
from conversations.adapters.twilio import Twilio
from conversations.domain.providers import Account, BadSignature, CallReceipt, Inbound, Receipt
from switchboard.http import PlainRoute, Request, Route
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.phones import NotAPhone, to_e164
from switchboard.runtime.refusals import Forbidden, Invalid, NotFound

Told = Receipt | CallReceipt | Inbound | None


class InvalidSignature(Forbidden):
    """This was not signed by the provider."""

    code = "invalid_signature"


@dataclass(frozen=True)
class Webhooks:
    database: Database
    accounts: Accounts
    region: str

    async def take(self, request: Request) -> web.Response:
        """A provider's inbound message, receipt, or word about a call. The same one twice has one effect."""
        http = request.http
        account = await self.accounts.of_endpoint(self.database, request.path["provider"], request.path["endpoint_key"])
        if account is None or account.provider not in self.accounts.providers:
            raise NotFound
        await self._act(account, self._read(account, http, await http.read()))
        return web.Response(text="<Response/>", content_type="text/xml")

    def _read(self, account: Account, request: web.Request, body: bytes) -> Told:
        provider = self.accounts.provider_of(account)
        try:
            if isinstance(provider, Twilio):
                return provider.read_webhook(account, request.raw_path, request.headers, body)
            if isinstance(provider, Sandbox):
                return provider.read_webhook(account, request.headers, body)
        except BadSignature:
            raise InvalidSignature from None
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"This webhook can't be read: {type(error).__name__}.") from None
        raise NotFound

    async def _act(self, account: Account, told: Told) -> None:
        if told is None:
            return
        if isinstance(told, Receipt):
            await actions.take_receipt(self.database, account, told)
            return
        async with open_work(self.database, tenant_id=account.tenant_id) as work:
            match told:
                case CallReceipt():
                    await actions.take_call_receipt(work, account, told)
                case Inbound():
                    try:
                        sender = to_e164(told.sender, self.region)
                    except NotAPhone:
                        return  # a short code or a name: nobody to answer to
                    await actions.take_inbound(work, account, told, sender)


def routes(database: Database, accounts: Accounts, region: str) -> list[Route]:
    api = Webhooks(database, accounts, region)
    path = "/api/v1/webhooks/{provider}/{endpoint_key}"
    return [PlainRoute("POST", path, api.take, public=True, status=200, errors=(InvalidSignature,), answers=(403, 404))]
