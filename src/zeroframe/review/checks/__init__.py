"""The checks: small functions from figures to findings, a table of rows in each module."""
