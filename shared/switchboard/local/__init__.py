"""The product on one machine: private servers and the whole stack under a supervisor, all on loopback.

A `StackDirectory` is a directory that keeps one such stack: its data, logs, ports and secrets. `make up`, the
tests' servers and the end-to-end stack use the same launcher with different directories.
"""
