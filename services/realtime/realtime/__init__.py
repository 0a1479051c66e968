"""Live events for clients: from the message bus to Socket.IO connections, with catch-up after a reconnect."""
