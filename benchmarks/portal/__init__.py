"""The portal as it is, with one trivial view more."""
