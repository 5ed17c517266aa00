"""What commands print: results as tables and JSON."""
