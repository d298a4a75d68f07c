"""The log of API requests and the usage figures that follow from it."""
