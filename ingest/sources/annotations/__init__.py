"""Annotations as a source of concept data: regions that people or tools drew on images."""
