"""How a round grows beyond one machine: a simulation of its queues, with measured times and the code's own calls.

`calls.py`             which calls of ledger, broker and store each piece of work makes; a test counts them in the services
`service_times.toml`   what a call or a piece of work takes, and where that was measured
`deployment.py`        what is simulated: clients, model, workers, servers
`stations.py`          servers with a queue, in SimPy
`world.py`             the servers and queues of a simulation, and how calls and reads ahead wait at them
`simulated_round.py`   one round of several runs on a deployment
`measure_services.py`  measures what calls cost; `measure_work.py` what clients and their updates take
`compare.py`           the simulation beside the rounds of `local_rounds.py`, a local stack on this machine
"""
