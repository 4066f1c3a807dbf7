"""The version of Zoetrope. It is in the code, so that a bare checkout knows it as well as a package."""

VERSION = "0.1.0"
