"""The run directory NAME.cg: its files, how it is written and how it is read."""
