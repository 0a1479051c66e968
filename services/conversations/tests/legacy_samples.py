"""Samples of legacy conversation files."""

PRETTY = """[
  {
    "role": "user",
    "content": "Is the house on Elm Street still free? \\u2600 ☀",
    "timestamp": "2024-03-01T09:00:00.000Z",
    "sentiment": 0.10,
    "id": 12345678901234567890123
  },
  {
    "timestamp": 1709283900000,
    "role": "assistant",
    "content": "It is! \\ud83d",
    "meta": {"b": 1, "a": [1, 2.0]}
  }
]
"""
COMPACT = (
    '[{"direction":"inbound","body":"hi","timestamp":"2024-03-01T10:00:00Z"},'
    ' {"direction":"outbound","text":"hello","timestamp":"2024-03-01T08:00:00Z"}]'
)
