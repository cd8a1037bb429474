"""Client: simulates devices. Each task trains on one identity and uploads an update."""
