"""The route table of a service: routes as values, with request and response models and the required role.

    def routes(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/reminders", self.list, query=ReminderQuery, answer=Page[ReminderAnswer]),
            WriteRoute("POST", "/api/v1/reminders", self.create, body=NewReminder, answer=ReminderAnswer, creates=True),
            WriteRoute("DELETE", "/api/v1/reminders/{id}", self.delete, errors=(ReminderFired,)),
        ]

A handler returns a model (or None: 204) or raises a `Refusal`. For cookies, redirects and streams it returns a
`web.StreamResponse` instead; `reply(model, ...)` makes one. The first line of its docstring is the route's summary in
OpenAPI.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from switchboard.http.idempotency import IdempotentRequest
from switchboard.http.identity import IDENTITY_HEADER, Identity, InvalidIdentity, Role
from switchboard.http.parsing import path_uuid
from switchboard.runtime.refusals import Refusal

Handler = Callable[..., Awaitable[Any]]

Shortcut = Callable[["Request", IdempotentRequest | None], Awaitable[Any]]
"""A faster way for the usual requests of a route. Returns None for a request that must go to the route's handler."""


@dataclass(slots=True)
class Request:
    """One validated request. `body` and `query` are instances of the route's models."""

    http: web.Request
    caller: Identity | None
    """The caller's identity; None on public routes for requests without a valid one."""
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
        """The header for calls to another service on behalf of the caller."""
        return {IDENTITY_HEADER: self.http.headers[IDENTITY_HEADER]}

    @property
    def path(self) -> dict[str, str]:
        """The path parameters by name, as text."""
        return self.http.match_info

    def uuid(self, name: str) -> UUID:
        """A path parameter as UUID. Raises `NotFound` for other text."""
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
    """The response model, or another type that pydantic can serialise."""
    status: int = 0
    """The status of success. Default: 201 if it `creates`, 200 with an `answer`, else 204."""
    role: Role = Role.AGENT
    """The minimum role of the caller."""
    public: bool = False
    """Whether it can be called without an identity."""
    creates: bool = False
    """Whether it creates a resource: it answers 201 and accepts an `Idempotency-Key`."""
    summary: str = ""
    """Default: the first line of the handler's docstring."""
    errors: Sequence[type[Refusal]] = ()
    max_body: int | None = None
    """Maximum size of the body in bytes. Default: the application's limit."""
    hidden: bool = False
    """Whether the OpenAPI document omits it."""

    def __post_init__(self) -> None:
        if self.public and self.creates:
            raise ValueError(f"{self.method} {self.path}: a public route cannot accept an Idempotency-Key")
        default = 204 if self.answer is None else 201 if self.creates else 200
        object.__setattr__(self, "status", self.status or default)
        object.__setattr__(self, "summary", self.summary or _summary(self.handler))


@dataclass(frozen=True)
class ReadRoute(Route):
    """`handler(request, conn) -> model`, on a database connection outside of a transaction."""


@dataclass(frozen=True)
class InternalRoute(ReadRoute):
    """A `ReadRoute` for other services, which call it on behalf of a user: see `ServiceClient.find`."""

    _: KW_ONLY
    callers: Sequence[str]
    """Names of the services that may call it."""
    hidden: bool = True


@dataclass(frozen=True)
class WriteRoute(Route):
    """`handler(request, work) -> model | None`, in one unit of work: committed on return, rolled back on an exception.

    `work.tenant_id` is the caller's. With `creates` the answer is stored under the `Idempotency-Key` in the same
    transaction: do not use it for answers that contain a secret.
    """

    _: KW_ONLY
    shortcut: Shortcut | None = None
    """Tried before the handler. It stores the answer under the key itself, together with the request's changes."""


@dataclass(frozen=True)
class PlainRoute(Route):
    """`handler(request) -> model | None | web.StreamResponse`, for handlers that call other services or stream.

    The handler opens connections and transactions itself. Without a `query` model it reads the query string itself.
    """

    _: KW_ONLY
    answers: Sequence[int] = ()
    """Additional statuses for the OpenAPI document."""
    uploads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The schemas of bodies that the handler reads itself, by content type, for the OpenAPI document."""


def _summary(handler: Handler) -> str:
    while isinstance(handler, partial):
        handler = handler.func
    text = handler.__doc__ or getattr(handler, "__name__", type(handler).__name__).replace("_", " ").capitalize()
    return str(text).strip().splitlines()[0]
