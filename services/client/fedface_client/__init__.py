"""Client: simulates devices. A task has some clients train, each on the images of one person, and upload their updates."""
