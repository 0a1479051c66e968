"""How what is queued gets out: expansion of campaigns, claims, pace, calls to providers, settlement, recovery.

    pending ─▶ sending (claimed under a lease) ─▶ attempting (marked just before its own call) ─▶ settled

Any number of instances do this side by side. A lease that ran out gives the row to the next: unmarked ones are pending
again; marked ones are repeated under the same key where the provider takes keys, else they become `uncertain`.
"""
