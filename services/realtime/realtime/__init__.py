"""From the bus to the sockets, live and caught up."""
