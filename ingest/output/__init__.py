"""What an ingest writes: tables, thumbnails, manifest."""
