from auth.app import open_app
from auth.settings import Settings
from switchboard.runtime.app import main

main("auth", Settings, open_app)
