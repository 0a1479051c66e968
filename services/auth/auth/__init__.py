"""Tenants, users, sessions, invites and trials."""
