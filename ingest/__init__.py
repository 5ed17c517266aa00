"""From images, masks and a network to a run directory; `pipeline` reads as the steps."""
