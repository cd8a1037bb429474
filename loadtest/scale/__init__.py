"""How a round grows beyond one machine: a simulation of its queues, with measured times and the code's own calls.

`calls.py`             which calls of ledger, broker and store each piece of work makes; a test counts them in the services
`service_times.toml`   what a call or a piece of work takes, and where that was measured
`deployment.py`        what is simulated: clients, model, workers, servers
`stations.py`          servers with a queue, in SimPy
`simulated_round.py`   one round of several runs on a deployment
"""
