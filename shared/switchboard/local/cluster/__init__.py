"""Servers of several nodes on loopback: for `make cluster-up` and for tests of failovers and TLS."""
