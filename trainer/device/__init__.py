"""Devices and processes: ranks, precision, stop requests, errors of torch."""
