import asyncpg
import pytest
from aiormq.exceptions import ConnectionClosed
from redis import exceptions

from switchboard.runtime.failover import means_failover


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ReadOnlySQLTransactionError(""),
        asyncpg.AdminShutdownError(""),
        asyncpg.CrashShutdownError(""),
        asyncpg.CannotConnectNowError(""),
        asyncpg.DatabaseDroppedError(""),
        asyncpg.IdleSessionTimeoutError(""),
        asyncpg.ConnectionDoesNotExistError(""),
        asyncpg.ConnectionFailureError(""),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        ConnectionClosed(320, "CONNECTION_FORCED - broker forced connection closure"),
    ],
    ids=repr,
)
def test_a_server_that_is_no_longer_the_primary_is_left(error: Exception) -> None:
    assert means_failover(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError(""),
        asyncpg.DeadlockDetectedError(""),
        asyncpg.QueryCanceledError(""),
        asyncpg.TooManyConnectionsError(""),
        exceptions.ResponseError("WRONGTYPE Operation against a key"),
        ValueError("READONLY"),
    ],
    ids=repr,
)
def test_any_other_error_leaves_no_server(error: Exception) -> None:
    assert not means_failover(error)
