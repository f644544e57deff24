"""The whole night: which frames there are, which belong together, and what is done to each."""
