"""One message from a user's request to the user's socket: ours beside the original's design and a plain Python one."""
