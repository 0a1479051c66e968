"""A client of Switchboard's live events, for Python; `docs/realtime-clients.md` says the same for JavaScript."""

from switchboard.client.live import Happened, Live

__all__ = ["Happened", "Live"]
