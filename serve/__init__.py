"""Pages served to a browser on this machine; `local_server` is what all of them are served by."""
