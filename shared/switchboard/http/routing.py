"""The route table of a service: what each route takes, what it answers, and which role may call it.

    def routes(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/reminders", self.list, query=ReminderQuery, answer=Page[ReminderAnswer]),
            WriteRoute("POST", "/api/v1/reminders", self.create, body=NewReminder, answer=ReminderAnswer, creates=True),
            WriteRoute("DELETE", "/api/v1/reminders/{id}", self.delete, errors=(ReminderFired,)),
        ]

A handler returns a model (or None: 204) or raises a `Refusal`, and does nothing else about HTTP. Where it must
(cookies, redirects, streams), it returns a `web.StreamResponse`; `reply(model, ...)` makes one. The first line of its
docstring is the route's summary in OpenAPI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from switchboard.http.identity import IDENTITY_HEADER, Identity, InvalidIdentity, Role
from switchboard.http.parsing import path_uuid
from switchboard.runtime.refusals import Refusal

Handler = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Request:
    """One validated request. `body` and `query` are instances of the route's models."""

    http: web.Request
    caller: Identity | None
    """None only on public routes, for requests without a valid identity."""
    body: Any = None
    query: Any = None

    @property
    def identity(self) -> Identity:
        """The caller's identity. Raises `Unauthenticated` on a public route that was called without one."""
        if self.caller is None:
            raise InvalidIdentity
        return self.caller

    @property
    def identity_header(self) -> dict[str, str]:
        """The header that calls another service in the caller's name."""
        return {IDENTITY_HEADER: self.http.headers[IDENTITY_HEADER]}

    @property
    def path(self) -> dict[str, str]:
        """The path parameters by name, as text."""
        return self.http.match_info

    def uuid(self, name: str) -> UUID:
        """A path parameter as UUID. Raises `NotFound` for text that isn't one."""
        return path_uuid(self.path[name])


@dataclass(frozen=True)
class Route:
    """One row of the route table. Use `ReadRoute`, `WriteRoute`, `PlainRoute` or `InternalRoute`."""

    method: str
    path: str
    handler: Handler
    _: KW_ONLY
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: Any = None
    """The response model, or any type that pydantic can serialise."""
    status: int = 0
    """The status of success. Default: 201 if it `creates`, 200 with an `answer`, else 204."""
    role: Role = Role.AGENT
    """The least role that may call it."""
    public: bool = False
    """Whether it may be called without an identity."""
    creates: bool = False
    summary: str = ""
    """Default: the first line of the handler's docstring."""
    errors: Sequence[type[Refusal]] = ()
    max_body: int | None = None
    """Bytes. Default: the application's limit."""
    hidden: bool = False
    """Whether it is left out of the OpenAPI document."""

    def __post_init__(self) -> None:
        if self.public and self.creates:
            raise ValueError(f"{self.method} {self.path}: a public route can't take an Idempotency-Key")
        default = 204 if self.answer is None else 201 if self.creates else 200
        object.__setattr__(self, "status", self.status or default)
        object.__setattr__(self, "summary", self.summary or _summary(self.handler))


@dataclass(frozen=True)
class ReadRoute(Route):
    """`handler(request, conn) -> model`, on a database connection outside of a transaction."""


@dataclass(frozen=True)
class InternalRoute(ReadRoute):
    """A `ReadRoute` for other services, which call it in their caller's name: see `ServiceClient.find`.

    `request.identity` is the user that the calling service works for.
    """

    _: KW_ONLY
    callers: Sequence[str]
    """The services that may call it."""
    hidden: bool = True


@dataclass(frozen=True)
class WriteRoute(Route):
    """`handler(request, work) -> model | None`, in one `Work`: committed on return, rolled back on an exception.

    With `creates` it takes an `Idempotency-Key`, stored in the same transaction; not for answers that hold a secret.
    `work.tenant_id` is the caller's.
    """


@dataclass(frozen=True)
class PlainRoute(Route):
    """`handler(request) -> model | None | web.StreamResponse`: it opens connections and transactions itself.

    For handlers that call other services or stream. Without a `query` model the handler reads the query string.
    """

    _: KW_ONLY
    answers: Sequence[int] = ()
    """Further statuses for the OpenAPI document."""


def _summary(handler: Handler) -> str:
    while isinstance(handler, partial):
        handler = handler.func
    text = handler.__doc__ or getattr(handler, "__name__", type(handler).__name__).replace("_", " ").capitalize()
    return str(text).strip().splitlines()[0]
