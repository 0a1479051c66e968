"""Types and rules. Nothing here awaits."""
