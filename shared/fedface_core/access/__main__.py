"""``python -m fedface_core.access WHAT FOLDER``: writes what gives each service its own rights, and no others.

    redis FOLDER      users.acl, for ``aclfile`` of Redis or Valkey. Reads REDIS_PASSWORD_CONTROL and so on, and
                      REDIS_PASSWORD_OPERATOR if an operator may do everything
    minio FOLDER      setup.sh, for MinIO's ``mc``, with a policy for each service beside it
    prometheus FOLDER metrics.key, which Prometheus sends to the API. Reads API_METRICS_KEY
    seaweedfs FOLDER  identities.json, for ``-s3.config`` of SeaweedFS. Reads S3_SECRET_CONTROL and so on, and
                      MINIO_ROOT_USER and MINIO_ROOT_PASSWORD

FEDFACE_S3_BUCKET names the bucket. Each secret may lie in a file instead, which a variable with ``_FILE`` at its end names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from fedface_core.access.minio_setup import setup_script
from fedface_core.access.redis_users import users_file
from fedface_core.access.s3_policies import policy, seaweedfs_identities
from fedface_core.access.secret_names import redis_secrets, s3_secrets, secret, with_s3_key
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.files.secret_file import private_files
from fedface_core.files.whole_file import write_whole

_BUCKET: Final = "fedface"
METRICS_KEY: Final = "API_METRICS_KEY"


def files(what: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Name → text of the files for a server: ``redis``, ``minio``, ``prometheus`` or ``seaweedfs``.

    `InvalidInputError` if it is another, or a secret is missing.
    """
    bucket = environment.get("FEDFACE_S3_BUCKET", _BUCKET)
    match what:
        case "redis":
            return {"users.acl": users_file(redis_secrets(environment), secret(environment, "REDIS_PASSWORD_OPERATOR"))}
        case "minio":
            policies = {f"{identity}.json": _json(policy(identity, bucket)) for identity in with_s3_key()}
            return policies | {"setup.sh": setup_script(bucket)}
        case "prometheus":
            key = secret(environment, METRICS_KEY)
            if key is None:
                raise InvalidInputError(f"{METRICS_KEY} is not set: it is FEDFACE_API_METRICS_KEY of the API")
            return {"metrics.key": key}
        case "seaweedfs":
            root_secret = secret(environment, "MINIO_ROOT_PASSWORD")
            root = None if root_secret is None else (environment.get("MINIO_ROOT_USER", _BUCKET), root_secret)
            return {"identities.json": _json(seaweedfs_identities(s3_secrets(environment), bucket, root))}
    raise InvalidInputError(f"{what!r:.80} is none of redis, minio, prometheus and seaweedfs")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Write the files, readable by their owner only. The exit status is 0, or 64 with the problem on standard error."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m fedface_core.access redis|minio|prometheus|seaweedfs FOLDER\n")
        return 64
    what, folder = arguments
    try:
        with private_files():
            for name, text in files(what, environment).items():
                write_whole(Path(folder) / name, text.encode())
    except (FedFaceError, OSError) as error:
        sys.stderr.write(f"access: {error}\n")
        return 64
    return 0


def _json(value: object) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
