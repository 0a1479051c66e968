"""Metrics of sign-in: attempts by method and outcome, counted in the process's memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

from switchboard.runtime.refusals import Refusal, TooMany

PASSWORD = "password"  # noqa: S105
OUTCOMES = ("signed_in", "refused", "limited", "failed")


class SignInMetrics:
    """`methods`: `password` and the names of the OpenID providers. `failed`: by a fault of ours or of a server."""

    def __init__(self, registry: CollectorRegistry, providers: Iterable[str]) -> None:
        self._attempts = Counter(
            "sign_ins_total", "Attempts to sign in, by method and outcome", ("method", "outcome"), registry=registry
        )
        for method in (PASSWORD, *providers):  # an increase is seen only in a series that existed before it
            for outcome in OUTCOMES:
                self._attempts.labels(method, outcome)

    @contextmanager
    def attempt(self, method: str) -> Iterator[None]:
        """Wrap one attempt, and count it by how it ends."""
        outcome = "failed"
        try:
            yield
            outcome = "signed_in"
        except TooMany:
            outcome = "limited"
            raise
        except Refusal:
            outcome = "refused"
            raise
        finally:
            self._attempts.labels(method, outcome).inc()
