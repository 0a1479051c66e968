"""`python -m files`."""

from files.app import open_app
from files.settings import Settings
from switchboard.process.main import main

main("files", Settings, open_app)
