"Gather what a run of the three stages left behind, read the test split once, and write results/NAME.json."

import json
from pathlib import Path
from typing import Annotated

from command_line import from_command_line
from typer import Argument

from ulmfit_nb import load_classifier
from ulmfit_nb.course.records import record
from ulmfit_nb.data import splits_of
from ulmfit_nb.memory import peak_memory_mb
from ulmfit_nb.sources import load_data

STAGES = {'pretrain': 'wiki', 'fine_tune': 'imdb-lm', 'train_classifier': 'imdb-classifier'}


def stage_record(folder: Path) -> dict:
    "Settings, history, minutes and peak memory of one stage."
    config, history = (json.loads((folder / f).read_text()) for f in ('config.json', 'history.json'))
    settings = {k: v for k, v in config['settings'].items() if k != 'before'}
    return {
        'settings': settings,
        'architecture': config['architecture'],
        'minutes': history[-1]['minutes'],
        'peak_mb': max(h['peak_mb'] for h in history),
        'history': history,
    }


def gather(
    name: Annotated[str, Argument(help='of the record')],
    out: Annotated[Path, Argument(help='directory of the run')],
    data: Annotated[str, Argument(help='data set whose test split is read')],
):
    "Write the record of a run, test accuracy included."
    stages = {stage: stage_record(out / folder) for stage, folder in STAGES.items()}
    classifier, test = load_classifier(out / STAGES['train_classifier']), load_data(data, 'test')
    predicted = classifier.predict(test.texts)
    right = sum(p == test.classes[y] for p, y in zip(predicted, test.labels))
    figures = {
        'stages': stages,
        'lm_saw_test_texts': 'test' in splits_of(stages['fine_tune']['settings']['texts']),
        'test_texts': len(test),
        'test_accuracy': right / len(test),
        'minutes': round(sum(s['minutes'] for s in stages.values()), 1),
        'peak_mb': max([s['peak_mb'] for s in stages.values()] + [peak_memory_mb()]),
    }
    record(Path('results') / f'{name}.json', f'bash runs/{name}.sh', figures)
    print(f'test accuracy {figures["test_accuracy"]:.4f}, {figures["minutes"]} minutes, {figures["peak_mb"]} MB')


if __name__ == '__main__':
    from_command_line(gather)
