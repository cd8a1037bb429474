"""The ledger in Redis or Valkey. Read the files in this order:

`keys.py`        the schema: every key, its type and content, which methods write it and which delete it
`connection.py`  connections with bounded waits, pipelines and scripts, and the translation of Redis's errors
`lookup.py`      runs by their ids, and the errors for missing runs and rounds
`records.py`     `RunRecords`, and `deleted_runs.py` `DeletedRuns`
`settlement.py`  `RoundSettlement`
`failures.py`    `StepFailures`
`views.py`       `RunViews`
`deliveries.py`  `EventDeliveries`
`ledger.py`      `RunLedger`, which has them all

Beside them lie the scripts that they run (`*.lua`), and what else is in Redis: `api_keys.py`, `dead_letters.py`.
"""
