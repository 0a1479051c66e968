"""Provider webhooks. Public: the key in the path identifies the account, and its secret verifies the signature."""

from dataclasses import dataclass

from aiohttp import web

from conversations.actions.inbound import receive_webhook
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.domain.providers import BadSignature
from switchboard.http import PlainRoute, Request, Route
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import Forbidden, Invalid, NotFound


class InvalidSignature(Forbidden):
    """The webhook's signature is not the provider's."""

    code = "invalid_signature"


@dataclass(frozen=True)
class ProviderWebhooks:
    """Webhooks of messaging providers. `region`: of phones without a country code."""

    database: Database
    accounts: ProviderAccounts
    region: str

    def routes(self) -> list[Route]:
        path = "/api/v1/webhooks/{provider}/{endpoint_key}"
        return [
            PlainRoute(
                "POST", path, self.receive, public=True, status=200, errors=(InvalidSignature,), answers=(403, 404)
            )
        ]

    async def receive(self, request: Request) -> web.Response:
        """Receive a provider's inbound message, delivery receipt or call status. A repeated one has no effect."""
        http = request.http
        account = await self.accounts.of_endpoint(self.database, request.path["provider"], request.path["endpoint_key"])
        if account is None or account.provider not in self.accounts.providers:
            raise NotFound
        body = await http.read()
        try:
            event = self.accounts.provider_of(account).read_webhook(account, http.raw_path, http.headers, body)
        except BadSignature:
            raise InvalidSignature from None
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"This webhook can't be read: {type(error).__name__}.") from None
        if event is not None:
            await receive_webhook(self.database, account, event, self.region)
        return web.Response(text="<Response/>", content_type="text/xml")
