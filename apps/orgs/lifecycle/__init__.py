"""Life cycle of organizations: creation, suspension, closing and purging, and the page of the data export."""
