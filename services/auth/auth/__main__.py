from auth.app import open_app
from auth.settings import Settings
from switchboard.process.main import main

main("auth", Settings, open_app)
