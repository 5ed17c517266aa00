"""What annotators drew, in the formats that their tools write, and concept data built from it."""
