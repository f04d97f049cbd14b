"Gather what a run of the three stages left behind, read the test split once, and write results/NAME.json."

import argparse
import json
from pathlib import Path

from ulmfit_nb import load_classifier
from ulmfit_nb.data import splits_of
from ulmfit_nb.experiments import record
from ulmfit_nb.sources import load_data
from ulmfit_nb.training import peak_memory_mb

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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('name', help='of the record')
    parser.add_argument('out', type=Path, help='directory of the run')
    parser.add_argument('data', help='data set whose test split is read')
    args = parser.parse_args()
    stages = {stage: stage_record(args.out / folder) for stage, folder in STAGES.items()}
    classifier, test = load_classifier(args.out / STAGES['train_classifier']), load_data(args.data, 'test')
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
    record(Path('results') / f'{args.name}.json', f'bash runs/{args.name}.sh', figures)
    print(f'test accuracy {figures["test_accuracy"]:.4f}, {figures["minutes"]} minutes, {figures["peak_mb"]} MB')


main()
