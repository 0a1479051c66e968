from api_gateway.app import open_app
from api_gateway.settings import Settings
from switchboard.runtime.app import main

main("api-gateway", Settings, open_app)
