"""A Python client of Switchboard's live events. `docs/realtime-clients.md` describes the protocol."""

from switchboard.client.live import LiveClient, LiveEvent, SessionRejected

__all__ = ["LiveClient", "LiveEvent", "SessionRejected"]
