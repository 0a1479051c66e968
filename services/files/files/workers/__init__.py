"""Loops of the process."""
