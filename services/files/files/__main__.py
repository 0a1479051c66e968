"""Run one instance: `python -m files`."""

from files.app import open_app
from files.settings import Settings
from switchboard.process.main import main

if __name__ == "__main__":
    main("files", Settings, open_app)
