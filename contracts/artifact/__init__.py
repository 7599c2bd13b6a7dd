"""ARTIFACT: Files of parameters say what they hold, and are held to it."""
