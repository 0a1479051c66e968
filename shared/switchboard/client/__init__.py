"""A client of Switchboard's live events, for Python; `docs/realtime-clients.md` says the same for JavaScript."""

from switchboard.client.live import Happened, Live, Unauthenticated

__all__ = ["Happened", "Live", "Unauthenticated"]
