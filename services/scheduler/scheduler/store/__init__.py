"""The SQL of the scheduler: `schedules`, `calendar`, and `claims` (what the leader fires)."""
