"""What servers say when they are not, or no longer, the primary. It is decided here and nowhere else.

Whoever hears it closes the connection and connects again, which finds the new primary. Nothing is repeated: a write
whose commit is unknown is resolved by what it left, such as the row of its idempotency key, its inbox row or its claim.
"""

SQLSTATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: the primary was demoted, and its connections live on
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now: it starts, or stops
        "57P04",  # database_dropped
        "57P05",  # idle_session_timeout
    }
)
CONNECTION_EXCEPTION = "08"  # the class of SQLSTATE
CONNECTION_FORCED = 320  # AMQP: an operator, or the node's end, closed the connection
REDIS_ERRORS = frozenset({"ReadOnlyError", "BusyLoadingError", "MasterDownError"})
REDIS_REPLIES = ("READONLY ", "LOADING ", "MASTERDOWN ", "NOREPLICAS ", "MISCONF ")
"""Error replies of a Redis that is no primary, or must not write. The client library has classes for some of them."""


def means_failover(error: BaseException) -> bool:
    """Whether an error of Postgres, RabbitMQ or Redis says that another host may be the primary now."""
    sqlstate = str(getattr(error, "sqlstate", None) or "")
    return (
        sqlstate in SQLSTATES
        or sqlstate.startswith(CONNECTION_EXCEPTION)
        or type(error).__name__ in REDIS_ERRORS
        or (type(error).__name__ == "ResponseError" and str(error).startswith(REDIS_REPLIES))
        or (type(error).__name__ == "ConnectionClosed" and error.args[:1] == (CONNECTION_FORCED,))
    )
