"""A night that is still being taken: files that arrive, a first look at each, and the engine run again and again."""
