"""Consent: whether a number wants messages from a tenant, and how that came about.

Triggers keep it in step with `contacts.opted_out`, whatever writes that, and under each spelling of the number. It
outlives the contact.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

ConsentSource = Literal["keyword", "provider", "user", "import"]

NAME_SOURCE = (
    "select set_config('switchboard.consent_source', $1, true), set_config('switchboard.consent_by', $2, true)"
)
FIND = "select opted_out from consents where tenant_id = $1 and phone = $2"
LIST_CHANGES = """
select at, opted_out, source, by from consent_changes
where tenant_id = $1 and phone = any(spellings_of($2))
order by id desc limit 200
"""


@dataclass(frozen=True)
class ConsentChange:
    """`source`: `keyword` (the contact's message), `provider`, `user`, `import`; before, `migration` or `unknown`."""

    at: datetime
    opted_out: bool
    source: str
    by: UUID | None


@dataclass(frozen=True)
class Consent:
    """`history`: newest first."""

    opted_out: bool
    history: list[ConsentChange]


async def name_consent_source(conn: asyncpg.Connection, source: ConsentSource, by: UUID | None = None) -> None:
    """Say who changes consent in the rest of this transaction."""
    await conn.execute(NAME_SOURCE, source, "" if by is None else str(by))


async def find_consent(conn: asyncpg.Connection, tenant_id: UUID, phone: str) -> Consent:
    """The consent of a number. One that nobody has asked about has not opted out."""
    opted_out = await conn.fetchval(FIND, tenant_id, phone)
    changes = [ConsentChange(*row) for row in await conn.fetch(LIST_CHANGES, tenant_id, phone)]
    return Consent(bool(opted_out), changes)
