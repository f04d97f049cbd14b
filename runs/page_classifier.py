"""The classifier in the page: subjective or objective, from all labels of `subjectivity` and the language model that the page runs, in int8. Says what it
gets right on the test split, as trained and as stored, and writes that on its card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from command_line import from_command_line
from typer import Argument, Option

from ulmfit_nb import fine_tune, save_pretrained, train_classifier
from ulmfit_nb.demo import BEARS_MORE, accuracy_of
from ulmfit_nb.settings import override, recipe
from ulmfit_nb.sources import load_data

DATA = 'subjectivity'


@dataclass(frozen=True, kw_only=True)
class Made:
    "Where it comes from and goes to."

    out: Annotated[Path, Argument(help='directory of the classifier; its name is the name it ships under')]
    lm: Annotated[str, Option(help='language model to start from: a directory, or the name of one that ships')] = 'film-small'
    work: Annotated[Path, Option(help='directory for the stages under way; the same call goes on there')] = Path('runs/out/page_classifier')


def make(args: Made):
    train, valid, test = (load_data(DATA, split) for split in ('train', 'validation', 'test'))
    small = recipe('small')
    tuned = fine_tune(args.lm, train.texts, args.work / 'lm', override(small.fine_tune, **BEARS_MORE), progress_bar=False)
    trained = train_classifier(tuned, train, args.work / 'classifier', valid, small.train_classifier, progress_bar=False)
    save_pretrained(trained, args.out, weights='int8')
    right = {name: accuracy_of(path, test) for name, path in (('fp32', trained), ('int8', args.out))}
    about = ', '.join(f'{accuracy:.1%} in {weights}' for weights, accuracy in right.items())
    save_pretrained(trained, args.out, {f'right on {len(test):,} test sentences': about}, weights='int8')
    print(about)


if __name__ == '__main__':
    make(from_command_line(Made))
