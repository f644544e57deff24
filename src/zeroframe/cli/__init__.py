"""The command line: commands, options, what is printed."""
