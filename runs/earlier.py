"What an earlier call of a study left in its record, so that the same call goes on from there."

import json
from pathlib import Path

from ulmfit_nb.checkpoint import same_settings


def earlier(path: Path, now: dict) -> dict | None:
    "The record, if there is one. Raises `ValueError` if it was made of other things than `now` says."
    if not path.exists():
        return None
    before = json.loads(path.read_text(encoding='utf-8'))
    same_settings({k: before.get(k) for k in now}, now, path)
    return before
