"""Client: simulates devices. Each client of a task trains on the images of one person and uploads its update."""
