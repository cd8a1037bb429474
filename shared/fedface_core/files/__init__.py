"""Files of people: written whole, read within bounds, recognised as safetensors, and their errors in words."""
