"""Reports on how keys are used: inventory, least privilege, progress of a rotation, usage."""
