"""``python -m fedface_core.signing.make_keys DIRECTORY``: makes the keys that are missing, and overwrites none.

DIRECTORY gets ``SERVICE/signing.pem`` for each service, which only that service may read, and ``trusted/keys.json``, which
all read. To replace a service's key, move its file away and run this again: the new public key is added to the old ones.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.secret_file import private_files
from fedface_core.files.whole_file import make_folder, write_whole
from fedface_core.signing.keys import encoded_public, read_private, read_trusted
from fedface_core.signing.makers import SIGNERS

_USAGE: Final = "usage: python -m fedface_core.signing.make_keys DIRECTORY"


def main(arguments: Sequence[str]) -> int:
    """Make the keys, say which, and return the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{_USAGE}\n")
        return os.EX_USAGE
    try:
        made = make_keys(Path(arguments[0]))
    except (InvalidInputError, OSError) as error:
        sys.stderr.write(f"make_keys: {error}\n")
        return 1
    sys.stdout.write("".join(f"made {file}\n" for file in made) or "all keys are there\n")
    return 0


def make_keys(directory: Path) -> list[Path]:
    """Make the private keys that are missing, and have all public keys trusted. Returns the files that were written.

    `InvalidInputError` if a file that is there cannot be used, `OSError` if one cannot be written.
    """
    made = []
    trusted_file = trusted_keys_file(directory)
    trusted = read_trusted(trusted_file) if trusted_file.exists() else {}
    before = {service: [encoded_public(key) for key in keys] for service, keys in trusted.items()}
    after = {service: list(keys) for service, keys in before.items()}
    for service in SIGNERS:
        file = signing_key_file(directory, service)
        if not file.exists():
            _write_private(file)
            made.append(file)
        public = encoded_public(read_private(file).public_key())
        if public not in after.setdefault(service, []):
            after[service].append(public)
    if after != before:
        write_whole(trusted_file, json.dumps(after, indent=1, allow_nan=False).encode() + b"\n")
        made.append(trusted_file)
    return made


def signing_key_file(directory: Path, service: str) -> Path:
    """Where the private key of a service is."""
    return directory / service / "signing.pem"


def trusted_keys_file(directory: Path) -> Path:
    """Where the public keys of all services are."""
    return directory / "trusted" / "keys.json"


def _write_private(file: Path) -> None:
    """Draw a key, and write it so that no other user of the machine can read it at any moment."""
    make_folder(file.parent)
    file.parent.chmod(0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with private_files():
        write_whole(file, pem)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
