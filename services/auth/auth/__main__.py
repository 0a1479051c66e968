"""Run one instance: `python -m auth`."""

from auth.app import open_app
from auth.settings import Settings
from switchboard.process.main import main

if __name__ == "__main__":
    main("auth", Settings, open_app)
