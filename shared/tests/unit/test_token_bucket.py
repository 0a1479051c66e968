"""Rate limits in memory: the token bucket."""

from switchboard.runtime.rate_limits import TokenBucket


def test_a_token_bucket_allows_a_burst_and_refills() -> None:
    now = 100.0
    bucket = TokenBucket(per_second=2, burst=3, clock=lambda: now)

    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now += 1
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now += 1000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
