"""Idempotency keys: a request that is repeated with the same `Idempotency-Key` gets the stored response, for 24 hours.

A key belongs to (tenant, user, route). Its row is written in the same transaction as the request's own changes, so
that both are committed or neither is. An advisory lock of that transaction marks a request as in progress; Postgres
releases it when the transaction ends, also when the process has died.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, repeat
from switchboard.runtime.refusals import Conflict, Invalid

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,255}")
PRUNE_SECONDS = 600.0

# The uniqueness check of the insert sees what was committed meanwhile, which this statement's snapshot would not.
CLAIM = """
with mine as materialized (select pg_try_advisory_xact_lock($1) as got),
claimed as (
    insert into idempotency_keys as held (tenant_id, user_id, route, key, body_hash, status)
    select $2, $3, $4, $5, $6, 0 from mine where got
    on conflict (tenant_id, user_id, route, key) do update
    set body_hash = excluded.body_hash, status = 0, response = null, created_at = clock_timestamp()
    where held.created_at < clock_timestamp() - interval '24 hours'
    returning 1
)
select exists (select from claimed)
"""
FIND = """
select body_hash, status, response from idempotency_keys
where tenant_id = $1 and user_id = $2 and route = $3 and key = $4
and created_at >= clock_timestamp() - interval '24 hours'
"""
SETTLE = """
update idempotency_keys set status = $5, response = $6
where tenant_id = $1 and user_id = $2 and route = $3 and key = $4
"""
PRUNE = "delete from idempotency_keys where created_at < clock_timestamp() - interval '24 hours'"


class InProgress(Conflict):
    """A request with this Idempotency-Key is still in progress."""

    code = "in_progress"


class IdempotencyConflict(Conflict):
    """This Idempotency-Key was already used for a different request."""

    code = "idempotency_conflict"


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an idempotency key. `request_hash`: see the function."""

    tenant_id: UUID
    user_id: UUID
    route: str
    key: str
    request_hash: bytes

    @property
    def lock(self) -> int:
        """The number of its advisory lock."""
        scope = f"{self.tenant_id} {self.user_id} {self.route} {self.key}".encode()
        return int.from_bytes(blake2b(scope, digest_size=8).digest(), signed=True)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    body: bytes


async def claim(conn: asyncpg.Connection, request: IdempotentRequest) -> StoredAnswer | None:
    """Claim the key. Returns the stored response of an earlier request, or None for a new one.

    After None, handle the request and `store_answer` in the same transaction.
    Raises `InProgress` or `IdempotencyConflict`.
    """
    scope = (request.tenant_id, request.user_id, request.route, request.key)
    if await conn.fetchval(CLAIM, request.lock, *scope, request.request_hash):
        return None
    stored: Any = await conn.fetchrow(FIND, *scope)
    if stored is None:
        raise InProgress  # another transaction holds the lock
    if stored["body_hash"] != request.request_hash:
        raise IdempotencyConflict
    return StoredAnswer(stored["status"], stored["response"])


async def store_answer(conn: asyncpg.Connection, request: IdempotentRequest, answer: StoredAnswer) -> None:
    """Store the response for the next 24 hours."""
    scope = (request.tenant_id, request.user_id, request.route, request.key)
    await conn.execute(SETTLE, *scope, answer.status, answer.body)


def read_key(header: str | None) -> str | None:
    """The key in the header, if there is one. Raises `Invalid` unless it is 1 to 255 visible ASCII characters."""
    if header is not None and not KEY.fullmatch(header):
        raise Invalid.field("must be 1 to 255 visible ASCII characters", "header", HEADER)
    return header


def request_hash(target: str, body: bytes) -> bytes:
    """The hash that identifies a request: path, query, and the JSON body independent of its formatting."""
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS) if body else b""
    return sha256(target.encode() + b"\n" + canonical).digest()


def prune_keys(database: Database) -> Loop:
    """The loop that deletes keys older than 24 hours."""

    async def prune_idempotency_keys() -> None:
        async with database.connection() as conn:
            await conn.execute(PRUNE)

    return repeat(prune_idempotency_keys, every=PRUNE_SECONDS)
