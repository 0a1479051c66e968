"""Every SQL statement of the service: `schedules` (one at a time and lists), `claims` (what the leader does),
`people`.
"""
