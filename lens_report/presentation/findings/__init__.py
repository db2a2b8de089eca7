"""Findings as sentences that are made from numbers and never claim more than the tests allow."""
