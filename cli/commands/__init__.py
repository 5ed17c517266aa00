"""One module for each command: its options, and the one library function it calls."""
