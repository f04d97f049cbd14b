"""fastai behind the small interface that the benches use; another implementation offers the same names.

lm_trainer(vocab, cfg, raw)         .run(batches) -> seconds of each step, losses; batches: (ids, next ids), numpy int64 (bs, seq_len)
clas_trainer(vocab, cfg, n_class, bptt, max_len, raw, freeze_to)      .run_epoch(docs, labels, bs) -> seconds, mean loss
clas_predictor(vocab, cfg, n_class, bptt, max_len, raw)               .predict(docs, bs) -> probabilities (n, n_class), in the order of docs
    each of the three: .weights() -> its parameters in one order that all implementations share, so that they can start alike
tokenize(texts, n_workers) -> lists of tokens, in order
lm_loader(docs, bs, seq_len), lm_pipeline(token lists, bs, seq_len) -> (x, y) batch by batch, documents in a new order each epoch

`raw` (a label that ends in -raw): the peer's model in a bare torch loop, without its Learner."""

import os
import time
import warnings
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from workload import Stopwatch

warnings.filterwarnings('ignore')
from fastai.text import all as ft  # noqa: E402

torch.set_num_threads(int(os.environ.get('BENCH_THREADS', '2')))


class Given(Stopwatch):
    "Batches that are there already, as a Learner wants them."

    num_workers, dataset, device = 0, None, torch.device('cpu')

    def to(self, device):
        return self


class Watch(ft.Callback):
    "Keeps the loss of each step, and leaves validation out: it is no part of training."

    order = 90

    def before_fit(self):
        self.losses = []

    def after_batch(self):
        self.losses.append(self.learn.loss.detach())

    def before_validate(self):
        raise ft.CancelValidException()


class Loop:
    "A Learner (or a bare loop) an epoch at a time."

    def __init__(self, model, splitter, lr, clip=None, freeze_to=0, raw=False):
        self.model, self.splitter, self.lr, self.clip, self.freeze_to = model, splitter, lr, clip, freeze_to
        self.raw, self.learn, self.opt = raw, None, None

    def epoch(self, loader):
        "Seconds, and the losses."
        if self.raw:
            return self.bare(loader)
        if self.learn is None:
            self.make(loader)
        self.learn.dls.loaders[0], watch, start = loader, Watch(), time.perf_counter()
        with self.learn.no_bar(), self.learn.no_logging():
            self.learn.fit(1, self.lr, cbs=[watch])
        return time.perf_counter() - start, torch.stack(watch.losses).tolist()

    def make(self, loader):
        clip = [ft.GradientClip(self.clip)] if self.clip else []
        self.learn = ft.TextLearner(
            ft.DataLoaders(loader, loader),
            self.model,
            loss_func=ft.CrossEntropyLossFlat(),
            splitter=self.splitter,
            opt_func=partial(ft.Adam, mom=0.8),
            cbs=clip,
        )
        if self.freeze_to:
            self.learn.freeze_to(self.freeze_to)

    def bare(self, loader):
        if self.opt is None:
            groups = list(self.splitter(self.model))
            for p in sum(map(list, groups[: self.freeze_to]), []):
                p.requires_grad_(False)
            self.opt = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], self.lr, (0.8, 0.99), 1e-5)
        losses, start = [], time.perf_counter()
        self.model.train()
        self.model.reset()
        for x, y in loader:
            pred, raw, out = self.model(x.as_subclass(torch.Tensor))
            loss = F.cross_entropy(pred.flatten(0, -2), y.as_subclass(torch.Tensor).flatten())
            (loss + 2 * out.pow(2).mean() + (raw[:, 1:] - raw[:, :-1]).pow(2).mean()).backward()
            if self.clip:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.opt.step()
            self.opt.zero_grad()
            losses.append(loss.item())
        return time.perf_counter() - start, losses


def encoder_weights(encoder):
    def one(rnn):
        return [rnn.module.weight_ih_l0, rnn.weight_hh_l0_raw, rnn.module.bias_ih_l0, rnn.module.bias_hh_l0]

    return [encoder.encoder.weight] + [p for rnn in encoder.rnns for p in one(rnn)]


class lm_trainer:
    def __init__(self, vocab, cfg, raw=False, drop_mult=1.0, lr=1e-3, clip=0.1):
        torch.manual_seed(0)
        self.model = ft.get_language_model(ft.AWD_LSTM, vocab, config=ft.awd_lstm_lm_config | cfg, drop_mult=drop_mult)
        self.loop = Loop(self.model, ft.awd_lstm_lm_split, lr, clip, raw=raw)

    def weights(self):
        return encoder_weights(self.model[0]) + [self.model[1].decoder.bias]

    def run(self, batches):
        given = Given([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches])
        _, losses = self.loop.epoch(given)
        return given.seconds, losses


class clas_trainer:
    def __init__(self, vocab, cfg, n_class=2, bptt=72, max_len=1440, raw=False, drop_mult=0.5, lr=1e-3, freeze_to=0):
        torch.manual_seed(0)
        self.bptt, self.model = bptt, ft.get_text_classifier(ft.AWD_LSTM, vocab, n_class, bptt, dict(cfg), drop_mult, max_len=max_len)
        self.loop = Loop(self.model, ft.awd_lstm_clas_split, lr, freeze_to=freeze_to, raw=raw)

    def weights(self):
        return encoder_weights(self.model[0].module) + list(self.model[1].parameters())

    def loader(self, docs, labels, bs, shuffle):
        items = [(ft.TensorText(torch.from_numpy(d)), ft.TensorCategory(int(y))) for d, y in zip(docs, labels)]
        pad = partial(ft.pad_input_chunk, seq_len=self.bptt)
        return ft.SortedDL(items, bs=bs, shuffle=shuffle, before_batch=pad, res=[len(d) for d in docs], device=torch.device('cpu'))

    def run_epoch(self, docs, labels, bs):
        seconds, losses = self.loop.epoch(self.loader(docs, labels, bs, True))
        return seconds, float(np.mean(losses))


class clas_predictor:
    def __init__(self, vocab, cfg, n_class=2, bptt=72, max_len=1440, raw=False):
        self.trainer, self.raw = clas_trainer(vocab, cfg, n_class, bptt, max_len), raw

    def weights(self):
        return self.trainer.weights()

    def predict(self, docs, bs):
        loader, loop = self.trainer.loader(docs, [0] * len(docs), bs, False), self.trainer.loop
        if self.raw:
            loop.model.eval()
            with torch.no_grad():
                found = torch.cat([loop.model(x.as_subclass(torch.Tensor))[0].softmax(1) for x, _ in loader])
        else:
            if loop.learn is None:
                loop.make(loader)
            with loop.learn.no_bar(), loop.learn.no_logging():
                found, _ = loop.learn.get_preds(dl=loader, reorder=False)
        out = np.empty(found.shape, np.float32)
        out[loader.get_idxs()] = found.numpy()
        return out


def tokenize(texts, n_workers=0):
    return [list(o) for o in ft.tokenize_texts(texts, n_workers=n_workers)]


def lm_loader(docs, bs=64, seq_len=72):
    return ft.LMDataLoader([torch.from_numpy(d) for d in docs], lens=[len(d) for d in docs], bs=bs, seq_len=seq_len, shuffle=True)


def lm_pipeline(tokens, bs=64, seq_len=72):
    tokens = [ft.L(t) for t in tokens]
    vocab = ft.make_vocab(ft.Counter(w for t in tokens for w in t))
    data = ft.Datasets(tokens, [[ft.Numericalize(vocab=vocab)]])
    return ft.LMDataLoader(data, lens=[len(t) for t in tokens], bs=bs, seq_len=seq_len, shuffle=True)
