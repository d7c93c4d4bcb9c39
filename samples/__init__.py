"""The demo stream, and the script that makes it."""
