"""The Twilio provider: messages and calls over its REST API (2010-04-01), receipts and inbound messages by webhook.

Twilio takes no idempotency keys. A webhook's signature is the base64 HMAC-SHA1, under the account's token, of the URL
that Twilio was given, followed by the form's names and values in the order of the names, each pair once.
"""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID
from xml.sax.saxutils import escape

import aiohttp

from conversations.domain.providers import (
    BadSignature,
    CallReceipt,
    InboundMessage,
    NotSent,
    OutcomeUnknown,
    Outgoing,
    OutgoingCall,
    ProviderAccount,
    Receipt,
    Throttled,
    WebhookEvent,
)
from switchboard.contracts.conversations import CallStatus

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
DEFAULT_PAUSE = 1.0  # seconds to wait after a 429 without `Retry-After`
MAX_PAUSE = 300.0

DEFAULT_PORTS = {"http": 80, "https": 443}
MESSAGING_SERVICE = "MG"
OPTED_OUT = "21610"  # twilio.com/docs/api/errors/21610: the recipient has replied with STOP
MESSAGE_STATUSES = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
}
CALL_STATUSES: dict[str, CallStatus] = {
    "ringing": "ringing",
    "in-progress": "ringing",
    "completed": "completed",
    "busy": "missed",
    "no-answer": "missed",
    "canceled": "missed",
    "failed": "failed",
}


class Twilio:
    """The Twilio API for all accounts. `webhooks`: the public URL of our webhooks."""

    name = "twilio"
    idempotent = False
    carries_attachments = False

    def __init__(self, client: aiohttp.ClientSession, base_url: str, webhooks: str) -> None:
        self._client = client
        self._base_url = base_url
        self._webhooks = webhooks

    async def send(self, account: ProviderAccount, message: Outgoing) -> str | None:
        sender = "MessagingServiceSid" if account.number.startswith(MESSAGING_SERVICE) else "From"
        form = {
            "To": message.recipient,
            sender: account.number,
            "Body": message.body,
            "StatusCallback": self._callback(account, f"delivery={message.id}"),
        }
        return await self._post(account, "Messages.json", form)

    async def call(self, account: ProviderAccount, call: OutgoingCall) -> str | None:
        if not account.number.startswith("+"):
            raise NotSent("a call needs a channel with a phone number", retryable=False)
        form = {
            "To": call.user_phone,
            "From": account.number,
            "Twiml": f"<Response><Dial>{escape(call.contact_phone)}</Dial></Response>",
            "StatusCallback": self._callback(account, f"call={call.id}"),
        }
        return await self._post(account, "Calls.json", form)

    def read_webhook(
        self, account: ProviderAccount, target: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookEvent | None:
        """Verify and parse a webhook. See `Provider.read_webhook`."""
        form = parse_qsl(body.decode(), keep_blank_values=True)
        given = headers.get("X-Twilio-Signature", "").encode()
        token = account.credentials["auth_token"]
        if not any(hmac.compare_digest(signature(token, url + target, form), given) for url in self._origins()):
            raise BadSignature
        return _event_of(dict(parse_qsl(urlsplit(target).query)), dict(form))

    def _origins(self) -> set[str]:
        """The public origin as Twilio may have been given it: with the port and without, as its own libraries try."""
        parts = urlsplit(self._webhooks)
        host = parts.netloc.removesuffix(f":{parts.port}")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        return {f"{parts.scheme}://{host}", f"{parts.scheme}://{host}:{port}"}

    def _callback(self, account: ProviderAccount, query: str) -> str:
        return f"{self._webhooks}/{self.name}/{account.endpoint_key}?{query}"

    async def _post(self, account: ProviderAccount, resource: str, form: dict[str, str]) -> str | None:
        sid = account.credentials["account_sid"]
        url = f"{self._base_url}/2010-04-01/Accounts/{sid}/{resource}"
        headers = {"Authorization": aiohttp.encode_basic_auth(sid, account.credentials["auth_token"])}
        try:
            async with self._client.post(url, data=form, headers=headers, allow_redirects=False) as answer:
                return await _ref_of(answer)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"twilio can't be reached: {error}", retryable=True) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise OutcomeUnknown(f"twilio broke off: {type(error).__name__}") from error


async def _ref_of(answer: aiohttp.ClientResponse) -> str | None:
    if answer.status >= 500 or answer.status < 200:
        raise OutcomeUnknown(f"twilio answered {answer.status}")
    if answer.status == 429:
        raise Throttled("twilio answered 429", after=_pause(answer.headers.get("Retry-After")))
    if answer.status >= 300:
        code, reason = await _refusal_of(answer)
        raise NotSent(reason, retryable=False, opted_out=code == OPTED_OUT)
    try:
        ref = (await answer.json(content_type=None)).get("sid")
    except (ValueError, AttributeError, aiohttp.ClientError, OSError, TimeoutError):
        return None  # accepted; the receipt will carry the delivery's id
    return str(ref) if ref else None


async def _refusal_of(answer: aiohttp.ClientResponse) -> tuple[str, str]:
    """Twilio's code of the error, and the reason to show."""
    try:
        error: dict[str, Any] = await answer.json(content_type=None)
        return str(error.get("code")), f"twilio refused: {error.get('message')} ({error.get('code')})"[:300]
    except (ValueError, AttributeError):
        return "", f"twilio refused with {answer.status}"


def _pause(header: str | None) -> float:
    """Seconds to wait, from either form of `Retry-After` (RFC 9110, 10.2.3)."""
    try:
        seconds = float(header or DEFAULT_PAUSE)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header or "") - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = DEFAULT_PAUSE
    return min(max(seconds, 0.0), MAX_PAUSE) if seconds == seconds else DEFAULT_PAUSE


def signature(token: str, url: str, form: list[tuple[str, str]]) -> bytes:
    """The value of the header `X-Twilio-Signature` (twilio.com/docs/usage/security)."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest())


def _event_of(query: dict[str, str], form: dict[str, str]) -> WebhookEvent | None:
    if "call" in query:
        status = CALL_STATUSES.get(form.get("CallStatus", ""))
        return status and CallReceipt(UUID(query["call"]), form.get("CallSid"), status, form.get("CallStatus"))
    if "MessageStatus" in form or "delivery" in query:
        message_status = MESSAGE_STATUSES.get(form.get("MessageStatus", ""))
        delivery_id = UUID(query["delivery"]) if "delivery" in query else None
        reason = f"twilio error {form['ErrorCode']}" if form.get("ErrorCode") else None
        opted_out = form.get("ErrorCode") == OPTED_OUT
        ref = form.get("MessageSid")
        return Receipt(delivery_id, ref, message_status, reason, opted_out) if message_status else None
    if "From" in form and "MessageSid" in form:
        return InboundMessage(
            form["MessageSid"], form["From"], form.get("Body", ""), form.get("To", ""), media=_media_of(form)
        )
    return None


def _media_of(form: dict[str, str]) -> tuple[tuple[str, str], ...]:
    count = int(form.get("NumMedia") or 0)
    named = [(form.get(f"MediaContentType{n}", "media"), form.get(f"MediaUrl{n}", "")) for n in range(min(count, 10))]
    return tuple((kind[:100], url[:1000]) for kind, url in named if url)


@asynccontextmanager
async def open_twilio(base_url: str, public_url: str, *, connections: int = 128) -> AsyncIterator[Twilio]:
    """Open the provider with an HTTP client of at most `connections` connections."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
    # A connection is closed before most servers would close it, so that no request meets a stale one.
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=4)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as client:
        yield Twilio(client, base_url, f"{public_url}/api/v1/webhooks")
