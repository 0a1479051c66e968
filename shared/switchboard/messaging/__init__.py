"""From one service's commit to another's: `work` (outbox), `relay`, `consumer` (inbox), `parking` (dead letters).

Where to begin: `delivery.py` states the policy, `topology.py` draws the queues, `bus.py` is what a service composes.
"""
