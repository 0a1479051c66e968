"""What the actions work on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from files.adapters.bucket import Bucket
from files.adapters.memory_budget import Room
from files.settings import Settings
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class Desk:
    """The database, the bucket, and what is allowed. `limit` is in bytes of one file, `room` of all in memory."""

    database: Database
    bucket: Bucket
    limit: int
    upload_lifetime: timedelta
    download_lifetime: timedelta
    room: Room
    through_gateway: bool = False

    async def check(self) -> None:
        """Raises an `Unavailable` unless both the database and the bucket answer."""
        await self.database.check()
        await self.bucket.check()


def desk_of(settings: Settings, database: Database, bucket: Bucket) -> Desk:
    """What the actions work on."""
    return Desk(
        database,
        bucket,
        settings.max_upload_bytes,
        settings.upload_lifetime,
        settings.download_lifetime,
        Room(settings.upload_memory_bytes),
        settings.s3_through_gateway,
    )
