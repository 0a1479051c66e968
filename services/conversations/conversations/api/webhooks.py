"""Provider webhooks. Public: the key in the path identifies the account, and its secret verifies the signature."""

from dataclasses import dataclass

from aiohttp import web

from conversations.actions.inbound import receive_webhook
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.domain.providers import BadSignature, WebhookEvent
from switchboard.http import PlainRoute, Request, Route
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import Forbidden, Invalid, NotFound

MOST_CHARACTERS = {"ref": 100, "sender": 200, "recipient": 200, "body": 10_000, "reason": 1000}


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
            _check_text(event)
            await receive_webhook(self.database, account, event, self.region)
        return web.Response(text="<Response/>", content_type="text/xml")


def _check_text(event: WebhookEvent) -> None:
    """Raises `Invalid` for a webhook whose ids or texts no provider sends, and no database keeps."""
    for name, most in MOST_CHARACTERS.items():
        value = getattr(event, name, None)
        if isinstance(value, str) and (len(value) > most or (name != "body" and "\0" in value)):
            raise Invalid.field(f"must have at most {most} characters, and no NUL", "body", name)
