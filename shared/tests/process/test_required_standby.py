"""`REQUIRE_SYNCHRONOUS_STANDBY` at the start of a process."""

from typing import Any

import pytest

from switchboard.postgres.standby import StandbyRequired
from switchboard.process.service import open_service
from switchboard.runtime.settings import DatabaseSettings


async def test_without_a_standby_the_start_is_refused(empty_database_url: str) -> None:
    given: dict[str, Any] = {"port": 0, "app_instance_id": "demo-1", "database_url": empty_database_url}

    async with open_service("demo", DatabaseSettings(**given)) as service:
        assert "standby" not in service.health._checks
    with pytest.raises(StandbyRequired, match="REQUIRE_SYNCHRONOUS_STANDBY: commits wait for no standby"):
        async with open_service("demo", DatabaseSettings(**given, require_synchronous_standby=True)):
            pass
