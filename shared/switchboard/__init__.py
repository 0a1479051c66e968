"""The library of all services: contracts, messaging, HTTP, Postgres, processes, the local stack, support for tests."""
