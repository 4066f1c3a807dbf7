"""The addresses that the page asks for, one module per part of the page."""
