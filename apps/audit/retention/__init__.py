"""How long rows are kept, and the jobs that remove what is older."""
