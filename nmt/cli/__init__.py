"""The command line, a file for each command. Heavy libraries are imported inside the functions that need them."""
