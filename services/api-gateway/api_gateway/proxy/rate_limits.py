"""Rate limits at the edge: requests of one user, and of one client address, over all gateways."""

from prometheus_client import Counter
from redis.asyncio import Redis

from switchboard.runtime.metrics import Metrics
from switchboard.runtime.rate_limits import BatchedFixedWindows

WINDOW_SECONDS = 10


class EdgeRateLimits:
    """`user.count(id)` and `address.count(ip)` raise `RateLimited`. `per_user`, `per_address`: requests a second."""

    def __init__(self, redis: Redis, metrics: Metrics, per_user: int, per_address: int) -> None:
        uncounted = Counter(
            "rate_limit_open_total",
            "Requests let through uncounted because Redis is unavailable",
            registry=metrics.registry,
        )
        windows = BatchedFixedWindows(redis, seconds=WINDOW_SECONDS, on_uncounted=uncounted.inc)
        self.user = windows.limit("rate:user", per_user * WINDOW_SECONDS)
        self.address = windows.limit("rate:address", per_address * WINDOW_SECONDS)
        self.run = windows.run
