"""Make pairs: mask sources, generators and the check of drawn masks."""
