"""How work is done, whatever the work: devices, workers, processes, checkpoints, scratch files."""
