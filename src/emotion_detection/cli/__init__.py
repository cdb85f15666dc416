"""The command line, `python -m emotion_detection`: one file for each group of commands, and no logic."""
