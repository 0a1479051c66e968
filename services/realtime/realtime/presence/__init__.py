"""Presence: the users that are online, their status, and typing."""

from realtime.presence.presence import Presence

__all__ = ["Presence"]
