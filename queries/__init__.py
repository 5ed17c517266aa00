"""Questions to a run and its graph; nothing here needs torch."""
