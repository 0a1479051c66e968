"""Support for the tests of every service: real private servers, a fresh database and virtual host for each test."""

from switchboard.testing.waiting import becomes, until

__all__ = ["becomes", "until"]
