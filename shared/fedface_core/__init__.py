"""What every FedFace service shares: domain, contracts, ports, adapters, runtime and learning code."""
