"""Message contracts: the envelope, one class per event and command, and the subscriptions of all services.

Needs pydantic only, so that other teams can install it: `pip install switchboard`.
"""
