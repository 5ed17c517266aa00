"""How work is done, whatever the work: devices, lanes, processes, progress, going on again."""
