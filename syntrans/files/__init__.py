"""Files from elsewhere, read with bounds; files that know when a byte of them has changed."""
