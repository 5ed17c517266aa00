"""Everything that runs a run's network on images: explanations, ablations, audits."""
