"""Object stores: names, objects, ranges of bytes, copies on this disk."""
