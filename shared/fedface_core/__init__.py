"""What every FedFace service shares, without torch: domain, contracts, ports with their adapters, and runtime."""
