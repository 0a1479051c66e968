"""All communication with people: contacts, conversations, messages, notifications."""
