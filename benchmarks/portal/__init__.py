"""The portal with an additional trivial view."""
