"""Text fields of plans, with their limits."""

from typing import Annotated

from pydantic import Field

LeadId = Annotated[str, Field(min_length=1, max_length=200)]
Note = Annotated[str, Field(max_length=5000)]
Phone = Annotated[str, Field(min_length=1, max_length=40, examples=["+14155550100"])]
RuleText = Annotated[str, Field(min_length=1, max_length=500, examples=["FREQ=WEEKLY;BYDAY=MO"])]
ZoneName = Annotated[str, Field(min_length=1, max_length=64, examples=["Europe/Berlin"])]
