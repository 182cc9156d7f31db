"""Campaigns as code: lifecycle e-mail that is reviewed like software."""

__version__ = "0.1.0"
