"""The original's schedules: rows of its campaigns, lead reminders and calls, as they come out of its database."""
