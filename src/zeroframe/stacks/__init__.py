"""Many frames: read by rows, rejected, combined, their noise."""
