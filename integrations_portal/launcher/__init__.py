"""Start commands on a machine without the project's packages. Standard library only."""
