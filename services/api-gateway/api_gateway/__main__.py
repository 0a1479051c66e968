from api_gateway.app import open_app
from api_gateway.settings import Settings
from switchboard.process.main import main

main("api-gateway", Settings, open_app)
