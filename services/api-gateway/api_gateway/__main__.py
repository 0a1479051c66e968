"""Run one instance: `python -m api_gateway`."""

from api_gateway.app import open_app
from api_gateway.settings import Settings
from switchboard.process.main import main

if __name__ == "__main__":
    main("api-gateway", Settings, open_app)
