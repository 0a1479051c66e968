"""The table of visible events."""

from realtime.consumers import EVENTS as SUBSCRIPTION
from switchboard.contracts.auth import SessionRevoked

from ..visibility import EVENTS


def test_the_table_covers_every_event_except_revocations() -> None:
    assert {cls for cls, _, _ in EVENTS} == set(SUBSCRIPTION.types) - {SessionRevoked}
