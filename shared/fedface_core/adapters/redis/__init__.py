"""The ledger in Redis or Valkey. Read the files in this order:

`keys.py`        the schema: every key, its type and content, which methods write it and which delete it
`connection.py`  connections with bounded waits, pipelines and scripts, and the translation of Redis's errors
`lookup.py`      runs by their ids, and the errors for missing runs and rounds
`records.py`     `RunRecords`       (create.lua, save.lua, record_event.lua)
`settlement.py`  `RoundSettlement`  (begin_attempts.lua, settle.lua, accept_all.lua, record_partial.lua, touch.lua)
`views.py`       `RunViews`
`ledger.py`      `RunLedger`, which has all three
"""
