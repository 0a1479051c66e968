"""What tests of every service stand on: real private servers, a fresh database and broker each, stories to tell."""

from switchboard.testing.waiting import until

__all__ = ["until"]
