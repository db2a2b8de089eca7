"""Sounds made by code, and the questions of sound_mini about them."""
