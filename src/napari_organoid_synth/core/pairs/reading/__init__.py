"""One image file of any format, plane by plane, as an array (C, Y, X)."""
