"""Settings of an organization, and preferences of its members."""
