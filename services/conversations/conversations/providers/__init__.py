"""The ways out: one file each. A provider is whatever fits the protocol `Provider`."""
