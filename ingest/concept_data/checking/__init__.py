"""Checking concept data: everything is read, every defect reported (`data check`)."""
