"""`python -m realtime`."""

from realtime.app import open_app
from realtime.settings import Settings
from switchboard.process.main import main

main("realtime", Settings, open_app)
