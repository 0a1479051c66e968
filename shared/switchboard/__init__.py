"""What every Switchboard service stands on: contracts, messaging, runtime, testing."""
