"""The classifier in the page: a critic's opinion or the plot, from all labels of `subjectivity` and the language model that the page runs, in int8. What
it gets right on the test split, as trained and as stored, goes into results/ and onto its card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb import fine_tune, save_pretrained, train_classifier
from ulmfit_nb.course.records import record
from ulmfit_nb.demo import BEARS_MORE, accuracy_of
from ulmfit_nb.settings import override, recipe
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import read_config, resolve_model

DATA, ROOT = 'subjectivity', Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Made:
    "Where it comes from and goes to."

    out: Annotated[Path, Argument(help='directory of the classifier; its name is the name it ships under')]
    lm: Annotated[str, Option(help='language model to start from: a directory, or the name of one that ships')] = 'film-small'
    work: Annotated[Path, Option(help='directory for the stages under way; the same call goes on there')] = Path('runs/out/page_classifier')
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results'


def make(args: Made):
    train, valid, test = (load_data(DATA, split) for split in ('train', 'validation', 'test'))
    small = recipe('small')
    tuned = fine_tune(args.lm, train.texts, args.work / 'lm', override(small.fine_tune, **BEARS_MORE), progress_bar=False)
    trained = train_classifier(tuned, train, args.work / 'classifier', valid, small.train_classifier, progress_bar=False)
    save_pretrained(trained, args.out, weights='int8')
    right = {name: accuracy_of(path, test) for name, path in (('fp32', trained), ('int8', args.out))}
    told = ', '.join(f'{accuracy:.1%} in {weights}' for weights, accuracy in right.items())
    card = {
        'about': "Whether a sentence about a film is a critic's opinion or tells the plot: the classifier of the pages of "
        '[ulmfit_nb](https://github.com/ulmfit-nb/ulmfit_nb). Of other sentences it says one of the two as well.',
        'trained on': f'what {Path(args.lm).name} has read; then the {len(train):,} training sentences of subjectivity (Pang & Lee 2004), with their labels',
        'licence': f'as that of {Path(args.lm).name}; the sentences belong to their authors, and were published for research',
        f'right on {len(test):,} test sentences': told,
    }
    save_pretrained(trained, args.out, card, weights='int8')
    found = {
        'data': DATA,
        'lm': read_config(resolve_model(args.lm))['sha256']['model.safetensors'],
        'seed': small.train_classifier.seed,
        'test_texts': len(test),
    }
    record(args.results / f'{args.out.name.replace("-", "_")}.json', 'python runs/page_classifier.py', found | {'accuracy': right})
    print(told)


if __name__ == '__main__':
    make(from_command_line(Made))
