"""Use cases. Each step that can be interrupted leaves a row, by which the cleanup finds the remains."""
