"""Arithmetic on arrays of pixels, compiled: arrays in, arrays out, nothing known of files or headers."""
