"""The script that gives MinIO a bucket, and each identity a user with its policy. It is POSIX sh and needs MinIO's ``mc``.

It may run again and again: at each start, after a change of the table, after a change of secrets. Who may not have a secret
on a command line, which every process of a machine can see, gives it on standard input.
"""

from __future__ import annotations

from typing import Final

from fedface_core.access.secret_names import S3, secret_name, with_s3_key

_BEGINNING: Final = """#!/bin/sh
# Made by `python -m fedface_core.access`. Reads S3_URL (such as http://minio:9000), MINIO_ROOT_USER, MINIO_ROOT_PASSWORD
# and the secret of each user. The policies lie beside this script.
set -eu
here=$(dirname "$0")
scheme=${S3_URL%%://*}
export MC_HOST_store="$scheme://$MINIO_ROOT_USER:$MINIO_ROOT_PASSWORD@${S3_URL#*://}"

# give NAME SECRET: the user NAME, with this secret key and the policy NAME.json, and with no other.
give() {
  mc admin policy create store "fedface-$1" "$here/$1.json"
  printf '%s\\n' "$2" | mc admin user add store "$1"
  if ! mc --json admin user info store "$1" | grep -q '"policyName":"fedface-'"$1"'"'; then
    mc admin policy attach store "fedface-$1" --user "$1"
  fi
}

"""


def setup_script(bucket: str) -> str:
    """The text of the script for this bucket."""
    users = "".join(f'give {identity} "${secret_name(S3, identity)}"\n' for identity in with_s3_key())
    return f"{_BEGINNING}mc mb --ignore-existing store/{bucket}\n{users}"
