"""Machine labels: concept data from photographs alone, the masks made by models."""
