"""The three stages in some forty checkpoints, for the slider of the course's first page: a sentence, coloured by surprise at each of them, from random weights
to a verdict. Some minutes on one thread: python runs/explorable.py"""

import copy
import math
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
from command_line import from_command_line
from torch import nn
from typer import Option

from ulmfit_nb.awd_lstm import LM_DROPOUTS, LanguageModel
from ulmfit_nb.baselines import draw_labels
from ulmfit_nb.batching import DocBatches, LMBatches, TokenStream
from ulmfit_nb.checkpoint import seeded
from ulmfit_nb.classifier import PoolingClassifier, evaluate_classifier, predict_logits
from ulmfit_nb.classifier_training import classifier_task, stage_3_plan
from ulmfit_nb.course.records import record
from ulmfit_nb.fine_tuning import change_vocab
from ulmfit_nb.generation import generate
from ulmfit_nb.interpretation import surprisal
from ulmfit_nb.language_model import LMTask, evaluate_lm
from ulmfit_nb.schedules import all_at_once, one_cycle, one_cycle_momentum, stlr
from ulmfit_nb.settings import PRESETS, override
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import Stage, load_lm, save_stage
from ulmfit_nb.targets import prepare_data
from ulmfit_nb.tokenization import Tokenizer
from ulmfit_nb.training import FitSettings, Phase, RunOptions, fit

ROOT = Path(__file__).parent.parent
# Of the validation sentences of subjectivity: nothing here has learnt from it.
REVIEW = 'often hilarious , well-shot and , importantly , entertaining , hell house is a fascinating document of an event that has to be seen to be believed .'
TOLD = 'opinion'  # its label


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    general: Annotated[str, Option(help='the language model of stage 1: a directory, or the name of one that ships')] = 'wiki-small'
    film: Annotated[str, Option(help='the one that went on from it; its words are used throughout')] = 'film-small'
    articles: Annotated[int | None, Option(help='of `wikipedia`, to begin to read with random weights; all of them')] = None
    sentences: Annotated[int | None, Option(help='of `subjectivity`, for stage 2; all of the training split')] = None
    labels: Annotated[int, Option(help='of them with their labels, for stage 3')] = 100
    valid: Annotated[int, Option(help='others, for perplexity and accuracy')] = 300
    words: Annotated[int, Option(help='tokens that the network writes')] = 24
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results'


def spaced(steps: int, n: int) -> list[int]:
    "About `n` numbers of steps up to the last, closer together where most is learnt."
    return sorted({max(1, round(steps ** (i / n))) for i in range(1, n + 1)} | {steps})


class Checkpoints:
    "What the slider shows: taken of a language model, or of one with a classifier's encoder in it."

    def __init__(self, vocab, valid, args: Options):
        self.vocab, self.args, self.points = vocab, args, []
        self.docs = [vocab.numericalize(tokens) for tokens in Tokenizer().map([*valid.texts, REVIEW])]
        self.batches = LMBatches(*TokenStream.of(self.docs[:-1]), bs=16)
        self.labelled = DocBatches(self.docs[:-1], valid.labels)
        self.cls = valid.classes.index(TOLD)

    def begin(self, stage: str, model: nn.Module):
        "From here on a layer's way is measured."
        self.stage, self.model = stage, model
        self.weights = copy.deepcopy(model.layer_groups())

    def moved(self) -> dict[str, float]:
        "How far the weights of each layer group have moved in this stage, as a share of their length at its beginning."
        pairs = ((name, zip(now, self.weights[name], strict=True)) for name, now in self.model.layer_groups().items())
        sums = {name: [(n.detach() - b.detach(), b.detach()) for n, b in both] for name, both in pairs}
        return {name: round(math.sqrt(sum(float((d**2).sum()) for d, _ in s) / sum(float((b**2).sum()) for _, b in s)), 3) for name, s in sums.items()}

    def take(self, step: int, awake: Iterable[str], lm: LanguageModel, classifier: PoolingClassifier | None = None):
        "Add a checkpoint."
        with seeded(0):
            found, seen = evaluate_lm(lm, self.batches), surprisal(lm, self.vocab, REVIEW, 3)
            line = generate(lm, self.vocab, 'The film', self.args.words)
        point = {'stage': self.stage, 'step': step, 'awake': list(awake), 'moved': self.moved(), 'perplexity': round(found['perplexity'], 2)}
        point |= {'guessed': round(found['accuracy'], 4), 'bits': ' '.join(f'{b:.1f}' for b in seen.nats / math.log(2)), 'line': line}
        point['guesses'] = ['  '.join(f'{word} {p:.2g}' for word, p in guess) for guess in seen.guesses]
        if classifier:
            point['accuracy'] = round(evaluate_classifier(classifier, self.labelled)['accuracy'], 4)
            verdict = predict_logits(classifier, DocBatches(self.docs[-1:])).softmax(1)
            point['verdict'] = round(float(verdict[0, self.cls]), 4)
        self.tokens, self.known = seen.tokens, seen.known.tolist()
        self.points.append(point)
        print(f'{self.stage}, step {step}: perplexity {point["perplexity"]:.1f}' + (f', accuracy {point["accuracy"]:.1%}' if classifier else ''), flush=True)


def watched(task, plan: list[Phase], settings: FitSettings, at: list[int], take):
    "Train, and call `take(step, groups that learn)` after each of these steps."
    n, steps = 0, [(p.groups, sum(task.train.n_batches(e) for e in range(p.epochs))) for p in plan]
    awake = [groups for groups, k in steps for _ in range(k)]

    def callback(*_):
        nonlocal n
        n += 1
        if n in at:
            take(n, awake[min(n, len(awake)) - 1])
            task.model.train()

    fit(task, plan, settings, RunOptions(progress_bar=False), callback=callback)


def read(model: LanguageModel, texts: list[str], settings, how: FitSettings, points: Checkpoints, n: int):
    "Learn to guess the next word of these texts; about `n` checkpoints."
    stream = TokenStream.of([points.vocab.numericalize(tokens) for tokens in Tokenizer().map(texts)])
    batches = LMBatches(*stream, bs=settings.bs, bptt=settings.bptt)
    factor = getattr(settings, 'factor', 1)
    plan = all_at_once(list(model.layer_groups()), settings.lr, settings.epochs, factor)
    steps = sum(batches.n_batches(e) for e in range(settings.epochs))
    watched(LMTask(model, batches), plan, how, spaced(steps, n), lambda step, awake: points.take(step, awake, model))


def classify(lm: LanguageModel, stage: Stage, data, settings, points: Checkpoints):
    "Gradual unfreezing on a few labels; a checkpoint at the beginning, the middle and the end of each phase."
    task = classifier_task(stage, prepare_data(data, data, settings), settings)
    plan = stage_3_plan(task, stage, settings)
    task.valid = None
    at, begun = set(), 0
    for phase in plan:
        steps = sum(task.train.n_batches(e) for e in range(phase.epochs))
        at |= {begun + max(1, round(steps * share)) for share in ((0.5, 1) if phase is not plan[-1] else (0.1, 0.25, 0.5, 0.75, 1))}
        begun += steps
    points.begin('stage 3', task.model)

    def take(step, awake):
        lm.encoder.load_state_dict(task.model.encoder.state_dict())
        points.take(step, awake, lm, task.model)

    take(0, [])
    watched(task, plan, FitSettings(schedule=settings.schedule, seed=settings.seed), sorted(at), take)


def main():
    args, small = from_command_line(Options), PRESETS['small']
    beginning, tuning = override(small.pretrain, bs=8), override(small.fine_tune, epochs=1)  # few steps, so small ones; a pass, so that it takes minutes
    torch.set_num_threads(1)
    data = {split: load_data('subjectivity', split) for split in ('train', 'validation')}
    articles, sentences = load_data('wikipedia', 'train').texts[: args.articles], data['train'].texts[: args.sentences]
    film, general = load_lm(args.film), load_lm(args.general)
    valid = data['validation'].select([i for i, t in enumerate(data['validation'].texts) if t != REVIEW][: args.valid])
    points = Checkpoints(film.vocab, valid, args)

    with seeded(0):
        model = LanguageModel(film.model.config)
    points.begin('random', model)
    points.take(0, [], model)
    points.begin('beginning', model)
    read(model, articles, beginning, FitSettings(schedule=one_cycle, momentum=one_cycle_momentum), points, 9)
    for name, lm in (('general', change_vocab(general.model, general.vocab, film.vocab)), ('film', film.model)):
        points.begin(name, lm)
        points.take(0, [], lm)

    with seeded(0):
        tuned = change_vocab(film.model, film.vocab, film.vocab, film.model.config.drop(tuning.drop_mult, **LM_DROPOUTS))
    points.begin('stage 2', tuned)
    read(tuned, sentences, tuning, FitSettings(schedule=stlr), points, 9)

    with tempfile.TemporaryDirectory() as folder:
        about = {'architecture': asdict(tuned.config), 'tokenizer': {'lang': 'en'}, 'backwards': False, 'settings': {}}
        save_stage(folder, 'language model', tuned, film.vocab, about, [])
        few = data['train'].select(draw_labels(data['train'], args.labels))
        classify(tuned, Stage.open(folder), few, small.train_classifier, points)

    names = {'general': Path(args.general).name, 'film': Path(args.film).name}
    sizes = {'articles': len(articles), 'sentences': len(sentences), 'labels': args.labels, 'valid': len(valid), 'told': TOLD, 'words': len(film.vocab)}
    tokens = {'tokens': points.tokens, 'known': points.known}
    record(args.results / 'explorable.json', 'python runs/explorable.py', names | sizes | tokens | {'points': points.points})


if __name__ == '__main__':
    main()
