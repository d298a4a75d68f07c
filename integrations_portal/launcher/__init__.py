"""Start of commands on a bare machine. Standard library only."""
