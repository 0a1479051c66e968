"""Run one instance: `python -m scheduler`."""

from scheduler.app import open_app
from scheduler.settings import Settings
from switchboard.process.main import main

if __name__ == "__main__":
    main("scheduler", Settings, open_app)
