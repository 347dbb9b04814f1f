"""Spoil the code, a change at a time, and see whether the tests notice."""
