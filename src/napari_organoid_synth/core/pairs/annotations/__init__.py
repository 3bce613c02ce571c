"""Outlines that other programs draw: ImageJ, COCO, labelme, QuPath."""
