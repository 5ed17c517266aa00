"""The demo: a drawn world, networks that were taught shortcuts in it, and their story."""
