"""Concept data checked: every table, image and mask read, every defect named."""
