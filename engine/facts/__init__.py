"""A snapshot of the CRM: read once, typed by the map, closed to everything else."""
