"Wrong answers to the exercises, a file for each chapter: for each check, an answer's code and a part of what the check should say to it."

from importlib import import_module
from pathlib import Path

WRONG = {}
for _file in sorted(Path(__file__).parent.glob('c*.py')):
    WRONG |= import_module(f'wrong_answers.{_file.stem}').WRONG
