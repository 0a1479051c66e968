"""Operator commands of files."""
