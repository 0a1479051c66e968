"""What the scheduler does when it is asked to: one function per wish, split by kind."""
