"""A service's HTTP interface is one table of routes: what each takes, what it answers, who may ask.

    def routes() -> list[Route]:
        return [
            reads("/api/v1/reminders", list_reminders, query=ReminderQuery, answer=Page[ReminderAnswer]),
            writes("POST", "/api/v1/reminders", create_reminder, body=NewReminder, answer=ReminderAnswer, creates=True),
            writes("DELETE", "/api/v1/reminders/{id}", drop_reminder, errors=(ReminderFired,)),
        ]

A handler returns a model (or None: 204), raises a `Refusal`, and does nothing else about HTTP. Where it must
(cookies, redirects, streams), it returns a `web.StreamResponse`; `reply(model, ...)` makes one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from switchboard.http.identity import IDENTITY_HEADER, Identity, InvalidIdentity, Role
from switchboard.http.parsing import path_uuid
from switchboard.runtime.refusals import Refusal

Handler = Callable[..., Awaitable[Any]]
Kind = Literal["reads", "writes", "plain"]


@dataclass(slots=True)
class Request:
    """One request, checked. `body` and `query` are the route's models, `path` the parts of the path as text."""

    http: web.Request
    caller: Identity | None
    """None only on public routes, for requests without a valid identity."""
    body: Any = None
    query: Any = None

    @property
    def identity(self) -> Identity:
        """Who asks. On a public route, where it may be nobody, raises `Unauthenticated`."""
        if self.caller is None:
            raise InvalidIdentity
        return self.caller

    @property
    def identity_header(self) -> dict[str, str]:
        """The header by which another service knows in whose name we ask it."""
        return {IDENTITY_HEADER: self.http.headers[IDENTITY_HEADER]}

    @property
    def path(self) -> dict[str, str]:
        """The path's parts by name."""
        return self.http.match_info

    def uuid(self, name: str) -> UUID:
        """An id of the path; `NotFound` for what can't be one."""
        return path_uuid(self.path[name])


@dataclass(frozen=True)
class Route:
    """One row of the table. Made by `reads`, `writes` and `plain`."""

    kind: Kind
    method: str
    path: str
    handler: Handler
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: Any
    status: int
    role: Role
    public: bool
    creates: bool
    summary: str
    errors: tuple[type[Refusal], ...]
    answers: tuple[int, ...]
    max_body: int | None
    hidden: bool
    callers: frozenset[str]


def reads(
    path: str,
    handler: Handler,
    *,
    answer: Any,
    query: type[BaseModel] | None = None,
    role: Role = Role.AGENT,
    public: bool = False,
    summary: str = "",
    errors: Sequence[type[Refusal]] = (),
) -> Route:
    """GET. `handler(request, conn) -> model`, on a connection outside of any transaction."""
    return _route("reads", "GET", path, handler, None, query, answer, 200, role, public, False, summary, errors)


def internal(path: str, handler: Handler, *, answer: Any, to: Sequence[str]) -> Route:
    """GET for other services of ours, `to`, that ask in their callers' names: see `ServiceClient.find`.

    `handler(request, conn) -> model`, as with `reads`; `request.identity` is whom that service is working for.
    """
    return _route(
        "reads", "GET", path, handler, None, None, answer, 200, Role.AGENT, False, False, "", (),
        hidden=True, callers=frozenset(to),
    )  # fmt: skip


def writes(
    method: str,
    path: str,
    handler: Handler,
    *,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    answer: Any = None,
    status: int | None = None,
    role: Role = Role.AGENT,
    public: bool = False,
    creates: bool = False,
    summary: str = "",
    errors: Sequence[type[Refusal]] = (),
    max_body: int | None = None,
) -> Route:
    """`handler(request, work) -> model | None`, in one `Work`: committed when it returns, rolled back when it
    raises.

    `status`: 204 without an `answer`, 201 with `creates`, else 200. `creates`: the route takes an
    `Idempotency-Key`, remembered in the same transaction; not for routes whose answer holds a secret.
    `work.tenant_id` is the caller's.
    """
    chosen = status or (204 if answer is None else 201 if creates else 200)
    return _route(
        "writes", method, path, handler, body, query, answer, chosen, role, public, creates, summary, errors,
        max_body=max_body,
    )  # fmt: skip


def plain(
    method: str,
    path: str,
    handler: Handler,
    *,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    answer: Any = None,
    status: int | None = None,
    role: Role = Role.AGENT,
    public: bool = False,
    summary: str = "",
    errors: Sequence[type[Refusal]] = (),
    answers: Sequence[int] = (),
    max_body: int | None = None,
    hidden: bool = False,
) -> Route:
    """`handler(request) -> model | None | web.StreamResponse`: it opens connections and works of its own.

    For what calls others while a user waits, or streams. `answers`: further statuses for the OpenAPI
    document. `hidden`: not in that document. Without a `query` model its query string is the handler's own
    business.
    """
    chosen = status or (200 if answer is not None else 204)
    return _route(
        "plain", method, path, handler, body, query, answer, chosen, role, public, False, summary, errors,
        answers=tuple(answers), max_body=max_body, hidden=hidden,
    )  # fmt: skip


def _route(
    kind: Kind,
    method: str,
    path: str,
    handler: Handler,
    body: type[BaseModel] | None,
    query: type[BaseModel] | None,
    answer: Any,
    status: int,
    role: Role,
    public: bool,
    creates: bool,
    summary: str,
    errors: Sequence[type[Refusal]],
    *,
    answers: tuple[int, ...] = (),
    max_body: int | None = None,
    hidden: bool = False,
    callers: frozenset[str] = frozenset(),
) -> Route:
    if public and creates:
        raise ValueError(f"{method} {path}: an Idempotency-Key needs to know whose it is")
    told = summary or _described(handler)
    return Route(
        kind, method.upper(), path, handler, body, query, answer, status, role, public, creates, told, tuple(errors),
        answers, max_body, hidden, callers,
    )  # fmt: skip


def _described(handler: Handler) -> str:
    """What the handler says about itself: its docstring's first line, or its name."""
    while isinstance(handler, partial):
        handler = handler.func
    told = handler.__doc__ or getattr(handler, "__name__", type(handler).__name__).replace("_", " ").capitalize()
    return str(told).strip().splitlines()[0]
