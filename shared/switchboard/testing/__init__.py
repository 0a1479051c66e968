"""What tests of every service stand on: real private servers, a fresh database and broker each, stories to tell."""

from switchboard.testing.waiting import becomes, until

__all__ = ["becomes", "until"]
