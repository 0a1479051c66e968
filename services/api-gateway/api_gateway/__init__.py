"""One origin for the frontend: reverse proxy, authentication, rate limits, WebSockets."""
