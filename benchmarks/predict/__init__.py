"""Naming pictures: accuracy and speed beside another program, prediction sets, what a text is worth."""
