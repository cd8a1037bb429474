"""The ledger in Redis or Valkey. `keys.py` has the schema."""
