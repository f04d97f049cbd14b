"""Every rung from guessing blindly to a fine-tuned language model, on the same held-out words: perplexity, next words guessed right, the five words
expected after one sentence's beginning, and a line that is written. What is trained has several seeds. The networks learn at the best of a few rates, and
keep the weights of their best epoch; both are judged on the last fiftieth of the training sentences, and the validation sentences are only read at the end.
The record is written after every run; called again, it goes on with the next one."""

import copy
import itertools
import json
import math
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from command_line import from_command_line
from earlier import earlier
from torch import nn
from typer import Option

from ulmfit_nb import fine_tune, pretrain
from ulmfit_nb.batching import LMBatches, TokenStream
from ulmfit_nb.corpus import split_stream
from ulmfit_nb.course.records import git_commit, mean_and_error, record
from ulmfit_nb.data import fingerprint
from ulmfit_nb.demo import BEARS_MORE, PROMPT
from ulmfit_nb.ngrams import Bigrams, Frequencies, best_words, perplexity, read_sentences, unknown_charge, write_line
from ulmfit_nb.precision import computes_bf16
from ulmfit_nb.settings import PRESETS, PretrainSettings
from ulmfit_nb.sources import load_data
from ulmfit_nb.stages import load_lm, read_config
from ulmfit_nb.tokenization import Tokenizer, Vocab

RUNGS = {  # in the order of the ladder
    'uniform': 'every word alike',
    'frequencies': 'word frequencies',
    'bigrams': 'counted pairs, mixed',
    'trigrams': 'counted triples, mixed',
    'three words': 'a network on three words',
    'rnn': 'a recurrent loop',
    'lstm': 'with gates: an LSTM',
    'awd-lstm': 'AWD-LSTM from nothing',
    'wiki': 'AWD-LSTM, having read Wikipedia',
    'fine-tuned': '… and these sentences',
}
NETWORKS = ('three words', 'rnn', 'lstm')
LAST = ('fine-tuned', 'awd-lstm')  # what takes longest is done last
DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


@dataclass(frozen=True, kw_only=True)
class Ladder:
    "What is climbed, and how long each rung may take: the options of the command line."

    data: Annotated[str, Option(help='a named set with the splits train and validation')] = 'subjectivity'
    lm: Annotated[str, Option(help='the language model that has read Wikipedia: a directory, or the name of one that ships')] = 'wiki-small'
    out: Annotated[Path, Option(help='directory for language models under way')] = Path('runs/out/ladder')
    results: Annotated[Path, Option(help='directory of the record')] = Path(__file__).parent.parent / 'results'
    seeds: Annotated[list[int], Option(help='of weights, dropout and the order of sentences')] = (0, 1, 2, 3, 4)
    rates: Annotated[list[float], Option(help='that the networks try')] = (0.003, 0.01, 0.03)
    epochs: Annotated[int, Option(help='epochs of a network')] = 6
    n: Annotated[int, Option(help='features of a network')] = 128
    dropout: Annotated[float, Option(help='of a network: before and after its body')] = 0.4
    shape: Annotated[list[int], Option(help='of AWD-LSTM from nothing: features of a word, of an inner layer, layers')] = (128, 256, 2)
    lm_epochs: Annotated[int, Option(help='of AWD-LSTM from nothing')] = 15
    only: Annotated[list[str], Option(help='these rungs; none: all')] = ()


def settings(args: Ladder) -> dict:
    "Stages 1 and 2 on the sentences. AWD-LSTM from nothing is smaller than the one that has read Wikipedia, and has more epochs."
    shape = dict(zip(('emb_sz', 'n_hid', 'n_layers'), args.shape))
    from_nothing = PretrainSettings(**shape, min_freq=3, bs=20, bptt=35, epochs=args.lm_epochs, lr=0.01, drop_mult=1.0)
    return {'awd-lstm': from_nothing, 'fine-tuned': replace(PRESETS['small'].fine_tune, **BEARS_MORE)}


# --- networks


class Network(nn.Module):
    "Three words in a row, or a recurrent loop, between an embedding and the same matrix used backwards."

    def __init__(self, kind: str, vocab_sz: int, n: int, p: float):  # kind: one of `NETWORKS`
        super().__init__()
        self.emb, self.drop, self.decoder = nn.Embedding(vocab_sz, n), nn.Dropout(p), nn.Linear(n, vocab_sz)
        self.body = {'three words': lambda: nn.Linear(3 * n, n), 'rnn': lambda: nn.RNN(n, n), 'lstm': lambda: nn.LSTM(n, n)}[kind]()
        self.decoder.weight = self.emb.weight
        nn.init.uniform_(self.emb.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, ids, state=None):  # (bs, seq_len) → logits (bs, seq_len, vocab_sz), state
        if isinstance(self.body, nn.Linear):
            state = ids.new_zeros(len(ids), 2) if state is None else state
            ids = torch.cat([state, ids], 1)
            x = self.drop(self.emb(ids))
            out, state = self.body(torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], 2)).tanh(), ids[:, -2:]
        else:
            out, state = self.body(self.drop(self.emb(ids)).transpose(0, 1), state)
            out = out.transpose(0, 1)
        return self.decoder(self.drop(out)), state


def autocast():
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=computes_bf16(DEVICE))


def detach(state):
    return state.detach() if isinstance(state, torch.Tensor) else tuple(map(detach, state))


@torch.no_grad()
def judge(read, ids: np.ndarray, unk: int) -> dict:
    "Loss in nats of every id but the first, and the share of known words guessed right; `read(ids, state)` gives logits and state. Sixteen rows, in fp32."
    loss, hits, n, state = 0.0, 0, 0, None
    for x, y in LMBatches(ids, bs=min(16, len(ids) // 2), bptt=70):
        logits, state = read(x.to(DEVICE), state)
        logits, y = logits.float().flatten(0, 1), y.flatten().to(DEVICE)
        loss += F.cross_entropy(logits, y, reduction='sum').item()
        logits[:, unk] = -math.inf
        hits, n = hits + (logits.argmax(1) == y).sum().item(), n + len(y)
    return {'loss': loss / n, 'next_word': hits / n}


def learn(kind: str, vocab: Vocab, train: TokenStream, stop: TokenStream, args: Ladder, lr: float, seed: int) -> tuple[Network, dict]:
    "A network with the weights of the epoch that was best on `stop`; the rate rises for a hundred steps and sinks to nothing."
    torch.manual_seed(seed)
    network = Network(kind, len(vocab), args.n, args.dropout).to(DEVICE)
    opt = torch.optim.AdamW(network.parameters(), lr, betas=(0.8, 0.99), weight_decay=0.0)
    batches = LMBatches(*train, bs=20, bptt=35, shuffle=True, seed=seed)
    steps, done, best = args.epochs * batches.n_batches(), 0, (math.inf, 0, None)
    for epoch in range(args.epochs):
        state = None
        for x, y in batches.epoch(epoch):
            opt.param_groups[0]['lr'] = lr * min(1, (done + 1) / 100) * (1 - done / steps)
            with autocast():
                logits, state = network.train()(x.to(DEVICE), state)
            state, done = detach(state), done + 1
            loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten().to(DEVICE))
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.25)
            opt.step()
        found = judge(network.eval(), stop.ids, vocab.unk)['loss']
        print(f'      {kind}, rate {lr}, epoch {epoch + 1}: {math.exp(found):.1f} on the sentences set aside', flush=True)
        if found < best[0]:
            best = found, epoch + 1, copy.deepcopy(network.state_dict())
    if best[2] is not None:  # else the loss was no number from the first epoch on
        network.load_state_dict(best[2])
    return network.eval(), {
        'precision': 'bf16' if computes_bf16(DEVICE) else 'fp32',
        'lr': lr,
        'best_epoch': best[1],
        'stopped_at': math.exp(min(best[0], 700)),
    }


# --- what a rung is asked


def of_counts(model, args: Ladder) -> dict:
    "A rung that is a function of the words before."
    vocab, _, held, charge = read_sentences(args.data)

    def guess(i):
        p = np.array(model(held[:i]))
        p[vocab.unk] = -1
        return p.argmax() == held[i]

    hits = [guess(i) for i in range(1, len(held))]
    prompt = vocab.numericalize(Tokenizer()(PROMPT))
    said = {'guesses': best_words(model(prompt), vocab), 'writes': write_line(model, vocab, PROMPT)}
    return {'perplexity': perplexity(model, held, charge), 'next_word': float(np.mean(hits)), 'charge': charge, 'vocab_sz': len(vocab)} | said


def of_network(read, vocab: Vocab, args: Ladder) -> dict:
    "A rung that is a network: `read(ids, state)` gives logits and state. Its vocabulary may be its own: then it is charged for the words it doesn't know."
    lists = [*Tokenizer().map(load_data(args.data, 'validation').texts)]
    tokens = [t for tokens in lists for t in tokens][: len(read_sentences(args.data).held)]
    ids = vocab.numericalize(tokens)
    charge = unknown_charge(ids, vocab, len({t for t in itertools.chain(*lists) if t not in vocab}))
    found = judge(read, ids, vocab.unk)

    @torch.no_grad()
    def model(before):
        return read(torch.tensor([before.tolist()], device=DEVICE), None)[0][0, -1].float().softmax(0).cpu().numpy()

    said = {'guesses': best_words(model(vocab.numericalize(Tokenizer()(PROMPT))), vocab), 'writes': write_line(model, vocab, PROMPT)}
    return {'perplexity': charge * math.exp(found['loss']), 'next_word': found['next_word'], 'charge': charge, 'vocab_sz': len(vocab)} | said


def of_stage(path: str | Path, args: Ladder) -> dict:
    "A rung that is a stage's directory."
    model, vocab, _ = load_lm(path)
    model.to(DEVICE).eval()

    def read(ids, state):
        out = model(ids, state)
        return out.logits, out.state

    return of_network(read, vocab, args)


# --- the rungs


def climb(rung: str, seed: int, args: Ladder, rates: dict) -> dict:
    "One rung, with one seed. `rates`: what a network found at each rate, kept for the other seeds."
    vocab, train, _, _ = read_sentences(args.data)
    texts = load_data(args.data, 'train').texts
    if rung == 'uniform':
        alike = np.full(len(vocab), 1 / len(vocab))
        return of_counts(lambda before: alike, args) | {'guesses': [], 'writes': write_line(lambda before: alike, vocab, PROMPT, top_k=len(vocab))}
    if rung == 'frequencies':
        return of_counts(Frequencies(train, len(vocab)), args)
    if rung == 'bigrams':
        return of_counts(Bigrams(train, len(vocab)), args)
    if rung == 'trigrams':
        return of_counts(Trigrams(train, len(vocab)), args)
    if rung == 'wiki':
        return of_stage(args.lm, args)
    if rung in NETWORKS:
        parts = split_stream(TokenStream.of([vocab.numericalize(t) for t in Tokenizer().map(texts)]))

        def at_rate(lr, seed):
            return learn(rung, vocab, *parts, args, lr, seed)

        tried = {lr: at_rate(lr, 0) for lr in args.rates if rung not in rates}
        rates.setdefault(rung, {str(lr): how['stopped_at'] for lr, (_, how) in tried.items()})
        lr = float(min(rates[rung], key=rates[rung].get))
        network, how = tried[lr] if lr in tried and seed == 0 else at_rate(lr, seed)
        return how | of_network(network, vocab, args)
    path, stage = args.out / f'{rung}-{seed}', replace(settings(args)[rung], seed=seed)
    if rung == 'awd-lstm':
        pretrain(texts, path, stage, progress_bar=False, every=100)
    else:
        fine_tune(args.lm, texts, path, stage, progress_bar=False, every=100)
    history = json.loads((path / 'history.json').read_text())
    return {'epochs': len(history), 'set_aside': [h['perplexity'] for h in history], 'precision': history[-1]['precision']} | of_stage(path, args)


class Trigrams(Bigrams):
    "Counted triples, discounted as pairs are, and mixed with counted pairs: a pair before a word is one word of a larger vocabulary."

    def __init__(self, ids, vocab_sz):
        ids = np.asarray(ids, np.int64)
        self.base, self.names = vocab_sz, np.unique(ids[:-1] * vocab_sz + ids[1:])
        self.vocab_sz, self.lower = vocab_sz, Bigrams(ids, vocab_sz)
        before = np.searchsorted(self.names, ids[:-2] * vocab_sz + ids[1:-1])
        self.pairs, self.counts = np.unique(before * vocab_sz + ids[2:], return_counts=True)
        once, twice = (np.sum(self.counts == n) for n in (1, 2))
        self.discount = once / (once + 2 * twice) if once else 0.5

    def __call__(self, before):
        if len(before) < 2:
            return self.lower(before)
        pair = int(before[-2]) * self.base + int(before[-1])
        at = int(np.searchsorted(self.names, pair))
        words, counts = self.followers(at) if at < len(self.names) and self.names[at] == pair else ((), ())
        if not len(words):
            return self.lower(before)
        p = self.lower(before) * self.discount * len(words) / counts.sum()
        p[words] += (counts - self.discount) / counts.sum()
        return p


def about(args: Ladder) -> dict:
    "What the record says beside its points. Points are only added to a record that says the same."
    vocab, train, held, charge = read_sentences(args.data)
    trained = {'rates': list(args.rates), 'epochs': args.epochs, 'n': args.n, 'dropout': args.dropout}
    return {
        'data': Path(args.data).name,
        'texts': {split: fingerprint(load_data(args.data, split).texts) for split in ('train', 'validation')},
        'vocab_sz': len(vocab),
        'train_words': len(train),
        'held_words': len(held) - 1,
        'held_unknown': float(np.mean(held[1:] == vocab.unk)),
        'charge': charge,
        'prompt': PROMPT,
        'lm': read_config(args.lm)['sha256']['model.safetensors'],
        'settings': {'networks': trained} | {k: s.identity() for k, s in settings(args).items()},
    }


def summary(points: list[dict]) -> list[dict]:
    "A row for each rung that has been climbed: means over seeds, standard errors where there are several, what the first seed says."
    rows = []
    for rung, name in RUNGS.items():
        found = [p for p in points if p['rung'] == rung]
        if not found:
            continue
        row = {'rung': rung, 'name': name, 'seeds': len(found)}
        for k in ('perplexity', 'next_word'):
            row[k], error = mean_and_error([p[k] for p in found])
            row[f'{k}_error'] = error if len(found) > 1 else None
        rows.append(row | {k: found[0][k] for k in ('charge', 'vocab_sz', 'guesses', 'writes')})
    return rows


def ladder(args: Ladder):
    "All rungs, seeds outermost so that a call cut short has something to say about each."
    path, what = args.results / 'ladder.json', about(args)
    before, commit = earlier(path, what) or {'points': [], 'rates_tried': {}}, git_commit()
    done = {k: before[k] for k in ('points', 'rates_tried')}
    rungs = sorted(args.only or RUNGS, key=lambda rung: LAST.index(rung) if rung in LAST else -1)
    for seed in args.seeds:
        for rung in rungs:
            point = {'rung': rung, 'seed': seed}
            if (seed and rung not in (*NETWORKS, *LAST)) or any(point.items() <= p.items() for p in done['points']):
                continue
            began = time.perf_counter()
            found = climb(rung, seed, args, done['rates_tried'])
            done['points'].append(point | found | {'minutes': round((time.perf_counter() - began) / 60, 2), 'commit': commit})
            record(path, 'python runs/ladder.py', what | done | {'rungs': summary(done['points'])})
            shutil.rmtree(args.out / f'{rung}-{seed}', ignore_errors=True)
            print(f'{rung:<12} seed {seed}: perplexity {found["perplexity"]:.0f}, next word {found["next_word"]:.1%}; {found["writes"]}', flush=True)


def main():
    ladder(from_command_line(Ladder))


if __name__ == '__main__':
    main()
