"""Commands of the scheduler to run a campaign."""

from typing import Any
from uuid import UUID

from switchboard.contracts.conversation_commands import CampaignAudience, CampaignRun

from .client import ANNA

CAMPAIGN = UUID(int=900)


def campaign(
    *,
    id_: UUID = CAMPAIGN,
    phones: tuple[str, ...] | None = None,
    tags: tuple[str, ...] | None = None,
    all: bool | None = None,
    template: str = "Hello {{name}}, {{ phone }}",
    **more: Any,
) -> CampaignRun:
    return CampaignRun(
        campaign_id=id_,
        user_id=ANNA.user_id,
        name="Spring",
        template=template,
        audience=CampaignAudience(phones=phones, tags=tags, all=all),
        **more,
    )
