"""Who may what: one table of service identities, and the rules that servers make of it. Read the files in this order:

`permissions.py`     what a row of the table says: grants in Redis and in S3
`artifact_kinds.py`  the kinds of artifacts, each with the pattern of its keys
`table.py`           the table: what each service may do
`secret_names.py`    where the secret of an identity comes from
`redis_users.py`     the users file of Redis or Valkey
`s3_policies.py`     a policy for each identity, for MinIO and for SeaweedFS
`minio_setup.py`     the script that gives MinIO its users and their policies

``python -m fedface_core.access`` writes all of these. No service trusts another to keep to the table: the servers do not
serve what it does not allow.
"""
