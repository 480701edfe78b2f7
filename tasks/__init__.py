"""The main jobs: `python -m tasks.addition` and `python -m tasks.textgen`, installed as `pyrnn.tasks`."""
