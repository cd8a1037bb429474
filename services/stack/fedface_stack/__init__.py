"""The local stack: all services and the servers that they need, as child processes of one command."""
