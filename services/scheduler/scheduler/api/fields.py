"""Fields that bodies of several kinds share."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from switchboard.http.paging import PageQuery

LeadId = Annotated[str, Field(min_length=1, max_length=200)]
Note = Annotated[str, Field(max_length=5000)]
Rule = Annotated[str, Field(min_length=1, max_length=500, examples=["FREQ=WEEKLY;BYDAY=MO"])]
ZoneName = Annotated[str, Field(min_length=1, max_length=64, examples=["Europe/Berlin"])]
Phone = Annotated[str, Field(min_length=1, max_length=40, examples=["+14155550100"])]


class OwnedQuery(PageQuery):
    """A list of what is mine or, for admins, a colleague's."""

    user_id: UUID | None = None
