"""Run one instance: `python -m conversations`."""

from conversations.app import open_app
from conversations.settings import Settings
from switchboard.process.main import main

if __name__ == "__main__":
    main("conversations", Settings, open_app)
