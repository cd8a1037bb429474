"""The ledger in Redis or Valkey. To be read in this order:

`keys.py`        the schema: every key, what it holds, who writes it, when it goes
`connection.py`  connections with bounded waits, one round trip or one script at a time, and Redis's faults in our words
`lookup.py`      runs by their ids, and the errors for what is not there
`records.py`     runs and rounds          (create.lua, save.lua, record_event.lua)
`settlement.py`  who of a round is done   (begin_attempt.lua, settle.lua, record_partial.lua, touch.lua)
`views.py`       what onlookers read
`ledger.py`      the three together
"""
