"""The demo: sample data of thirty days, generated once, and the processes that serve it."""
