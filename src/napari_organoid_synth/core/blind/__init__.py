"""Blind tests: can people tell synthetic pictures from real ones?"""
