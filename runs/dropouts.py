"""Which of the five dropouts matters? A small AWD-LSTM learns from a part of `subjectivity`; one dropout is taken away at a time, then all; five
seeds. Saved after each run, and gone on from there: python runs/dropouts.py [--seeds 0,1,2,3,4]"""

import copy
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
from command_line import from_command_line
from typer import Option

from ulmfit_nb.awd_lstm import LM_DROPOUTS, AWDLSTMConfig, LanguageModel, detach
from ulmfit_nb.batching import LMBatches, TokenStream
from ulmfit_nb.course.records import record
from ulmfit_nb.language_model import evaluate_lm
from ulmfit_nb.sources import load_data
from ulmfit_nb.tokenization import Tokenizer, Vocab

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Settings:
    "What is the same for all."

    sentences: int = 1000  # of the training split, to learn from
    choosing: int = 300  # those after them, which say after which epoch a run is at its best
    emb_sz: int = 64
    n_hid: int = 128
    n_layers: int = 2
    drop_mult: float = 2.0  # of the language model's dropouts
    lr: float = 0.01  # of Adam, throughout
    bs: int = 20
    bptt: int = 35
    patience: int = 3  # epochs without a better one, after which a run ends
    max_epochs: int = 40


ARMS = {  # what is changed in the configuration
    'all five': {},
    **{f'without {name}': {name: 0.0} for name in ('embed_p', 'input_p', 'weight_p', 'hidden_p', 'output_p')},
    'none': dict.fromkeys(LM_DROPOUTS, 0.0),
    'all five, untied': {'tie_weights': False},
}


def streams(settings: Settings) -> tuple[Vocab, dict[str, LMBatches]]:
    "Vocabulary of what is learnt from, and batches to learn from, to choose by, to measure on."
    tokens = list(Tokenizer().map(load_data('subjectivity', 'train').texts[: settings.sentences + settings.choosing]))
    parts = {
        'train': tokens[: settings.sentences],
        'choose': tokens[settings.sentences :],
        'validation': list(Tokenizer().map(load_data('subjectivity', 'validation').texts)),
    }
    vocab = Vocab.build(parts['train'])
    ids = {name: TokenStream.of([vocab.numericalize(t) for t in part]) for name, part in parts.items()}
    return vocab, {name: LMBatches(*stream, bs=settings.bs, bptt=settings.bptt) for name, stream in ids.items()}


def train_epoch(model: LanguageModel, batches: LMBatches, epoch: int, opt: torch.optim.Optimizer) -> float:
    "One pass over the text, plain cross-entropy; its mean in nats, dropout on."
    state, total, n = None, 0.0, 0
    for x, y in batches.epoch(epoch):
        o = model.train()(x, state, y)
        opt.zero_grad()
        o.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        opt.step()
        state, total, n = detach(o.state), total + o.loss.item() * y.numel(), n + y.numel()
    return total / n


def run(arm: str, lr: float, seed: int, settings: Settings, n_words: int, data: dict[str, LMBatches]) -> dict:
    "Train until the choosing sentences are no longer predicted better; measure the best epoch once on the validation sentences."
    config = AWDLSTMConfig(n_words, settings.emb_sz, settings.n_hid, settings.n_layers).drop(settings.drop_mult)
    torch.manual_seed(seed)
    model = LanguageModel(AWDLSTMConfig(**(asdict(config) | ARMS[arm])))
    opt = torch.optim.Adam(model.parameters(), lr, betas=(0.8, 0.99))
    curve, best = [], 0
    while len(curve) < settings.max_epochs and len(curve) - best <= settings.patience:
        learnt = train_epoch(model, data['train'], len(curve), opt)
        curve.append({'train': learnt, 'choose': evaluate_lm(model, data['choose'])['valid_loss']})
        if curve[-1]['choose'] <= min(c['choose'] for c in curve):
            best, weights = len(curve) - 1, copy.deepcopy(model.state_dict())
    last = evaluate_lm(model, data['train'])['valid_loss']
    model.load_state_dict(weights)
    found = evaluate_lm(model, data['validation'])
    return {
        'arm': arm,
        'lr': lr,
        'seed': seed,
        'perplexity': found['perplexity'],
        'accuracy': found['accuracy'],
        'choose': math.exp(curve[best]['choose']),
        'best_epoch': best + 1,
        'train_at_the_end': math.exp(last),
        'curve': curve,
        'weights': sum(p.numel() for p in model.parameters()),
    }


def measure(
    seeds: Annotated[list[int], Option(help='of each variant')] = (0, 1, 2, 3, 4),
    results: Annotated[Path, Option(help='directory of the record')] = ROOT / 'results',
):
    "First whether the rate is fair to both ends, then every variant with every seed."
    torch.set_num_threads(1)
    settings, path = Settings(), results / 'dropouts.json'
    vocab, data = streams(settings)
    sizes = {'words': len(vocab)} | {f'tokens_{name}': len(batches.ids) for name, batches in data.items()}
    kept = json.loads(path.read_text()) if path.exists() else {}
    runs = kept.get('runs', []) if kept.get('settings') == asdict(settings) else []
    rates = [(arm, settings.lr * k, 0) for arm in ('all five', 'none') for k in (0.5, 1, 2)]
    done = {(r['arm'], r['lr'], r['seed']) for r in runs}
    for key in rates + [(arm, settings.lr, seed) for seed in seeds for arm in ARMS]:
        if key in done:
            continue
        done.add(key)
        runs.append(run(*key, settings, len(vocab), data))
        record(path, 'python runs/dropouts.py', {'settings': asdict(settings), **sizes, 'runs': runs})
        print({k: round(v, 2) if isinstance(v, float) else v for k, v in runs[-1].items() if k != 'curve'}, flush=True)


def main():
    from_command_line(measure)


if __name__ == '__main__':
    main()
