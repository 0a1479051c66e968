"""The key that identities are signed with. Its file is read again when it changes: key rotation needs no restart."""

from pathlib import Path

import structlog

from switchboard.http.identity import IdentitySigner
from switchboard.http.identity_keys import read_key_file, signing_key
from switchboard.runtime.background import Stop

CHECK_EACH = 1.0  # seconds

log = structlog.get_logger(__name__)


class SigningKeyFile:
    """`signer` signs with the first private key of the file."""

    def __init__(self, file: Path) -> None:
        """Raises OSError or ValueError for a file without a usable key."""
        self._file = file
        self._read_at = file.stat().st_mtime_ns
        self.signer = IdentitySigner(signing_key(read_key_file(file)))

    async def run(self, stop: Stop) -> None:
        """Read the file again whenever it has changed, until `stop`."""
        while not await stop.sleep(CHECK_EACH):
            try:
                changed_at = self._file.stat().st_mtime_ns
                if changed_at != self._read_at:
                    self.signer = IdentitySigner(signing_key(read_key_file(self._file)))
                    self._read_at = changed_at
            except (OSError, ValueError) as error:
                log.warning("signing_key_kept", reason=str(error))
