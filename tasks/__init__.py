"""The main jobs, `python -m tasks.addition`, `.textgen` and `.forecast`, installed as `pyrnn.tasks`."""
