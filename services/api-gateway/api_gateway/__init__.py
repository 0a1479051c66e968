"""One origin for the frontend: proxying, signed identity, sockets, limits."""
