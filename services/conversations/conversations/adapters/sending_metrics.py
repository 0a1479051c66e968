"""Metrics of sending: the answers of providers, counted in the process's memory."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

ANSWERS = ("sent", "refused", "throttled", "unknown")


class SendingMetrics:
    """Counts each call to a provider by channel and answer. `registry`: None for one that nobody reads.

    `rates`: how many messages a second each provider's accounts take, by its name; `rate` for the others.
    """

    def __init__(
        self,
        providers: Iterable[str],
        registry: CollectorRegistry | None = None,
        *,
        rate: float = 0,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self._answers = Counter(
            "provider_sends_total",
            "Calls to a provider to send a message, by its answer",
            ("channel", "provider", "outcome"),
            registry=registry,
        )
        providers = list(providers)
        limit = Gauge(
            "provider_rate_limit",
            "Messages a second that an account of a provider takes",
            ("provider",),
            registry=registry,
        )
        for provider in providers:
            limit.labels(provider).set((rates or {}).get(provider, rate))
        self._children = {
            ("sms", provider, answer): self._answers.labels("sms", provider, answer)
            for provider in providers
            for answer in ANSWERS
        }

    def answered(self, channel: str, provider: str, answer: str) -> None:
        """Count one call to a provider. `answer`: one of `ANSWERS`."""
        key = (channel, provider, answer)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._answers.labels(*key)
        child.inc()
