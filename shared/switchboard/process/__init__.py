"""The process of a service: its composition, its start and its graceful shutdown."""

from switchboard.http.identity_keys import Keys
from switchboard.process.runner import App
from switchboard.process.service import open_service

__all__ = ["App", "Keys", "open_service"]
