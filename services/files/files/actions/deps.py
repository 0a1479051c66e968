"""The dependencies of the actions."""

from dataclasses import dataclass, field
from datetime import timedelta

from files.adapters.bucket import Bucket
from files.adapters.memory_budget import MemoryBudget
from files.settings import Settings
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class FileDeps:
    """The database, the bucket, and the limits of uploads. Operator commands need no limits."""

    database: Database
    bucket: Bucket
    max_upload_bytes: int = 0
    upload_lifetime: timedelta = timedelta(hours=1)
    memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(0))

    @classmethod
    def of(cls, settings: Settings, database: Database, bucket: Bucket) -> "FileDeps":
        """Make the dependencies with the limits of the settings."""
        memory = MemoryBudget(settings.upload_memory_bytes)
        return cls(database, bucket, settings.max_upload_bytes, settings.upload_lifetime, memory)

    async def check(self) -> None:
        """Raise `Unavailable` unless both the database and the bucket answer."""
        await self.database.check()
        await self.bucket.check()
