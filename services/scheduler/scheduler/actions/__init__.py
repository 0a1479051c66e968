"""The use cases of the scheduler, one function each, by kind of schedule."""
