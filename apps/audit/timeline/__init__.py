"""One timeline from several tables: sources, filters, and how rows are written."""
