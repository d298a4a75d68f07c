"""Support access: an operator's read-only view of a customer's pages."""
