"""The demo: a past of thirty days, written once, and the processes that serve it."""
