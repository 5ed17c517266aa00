"""Network dissection: activation maps, thresholds, overlaps with the concepts, top images."""
