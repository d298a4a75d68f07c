"""Incidents staged against real processes: the figure that rises, the alert that fires, the page with what to do."""
