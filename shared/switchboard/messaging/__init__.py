"""Messages from one service's commit to another's, over RabbitMQ.

- `outbox/`: a transaction writes messages as rows (`unit_of_work.py`); the outbox relay publishes them (`relay.py`).
- `inbox/`: a consumer handles each message with an exactly-once effect (`consumer.py`, `deduplication.py`).
  `delivery_policy.py` states when a message is retried and when it is dead-lettered.
- `broker/`: connections, exchanges and queues (`topology.py`), the retry policy.
- `operators/`: commands on dead letters and events.

A service composes its loops from `bus.py`.
"""
