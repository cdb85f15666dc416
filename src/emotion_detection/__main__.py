"""`python -m emotion_detection`: the command line."""

from emotion_detection.cli.main import main

if __name__ == "__main__":
    main()
