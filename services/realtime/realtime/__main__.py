"""Run one instance: `python -m realtime`."""

from realtime.app import open_app
from realtime.settings import Settings
from switchboard.process.main import main

if __name__ == "__main__":
    main("realtime", Settings, open_app)
