"""An encoder of DistilBERT's size (66 million weights, drawn at random: speed doesn't depend on them) behind the interface that impl_fastai.py
describes. Documents are cut at 512 tokens, which is all that it can read."""

import os
import time

import numpy as np
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from ulmfit_nb.batching import DocBatches

LONGEST = 512
torch.set_num_threads(int(os.environ.get('BENCH_THREADS', '2')))


def batches(docs, labels, bs, shuffle=False):
    "Ids, which of them count, and labels: documents of like length together, as everywhere."
    for b in DocBatches([d[:LONGEST] for d in docs], labels, bs, shuffle):
        yield b, (torch.arange(b.ids.shape[1]) < b.lengths[:, None]).long()


class clas_trainer:
    def __init__(self, vocab=30_522, cfg=None, n_class=2, lr=5e-5):
        torch.manual_seed(0)
        self.model = DistilBertForSequenceClassification(DistilBertConfig(vocab_size=vocab, num_labels=n_class))
        self.opt = torch.optim.AdamW(self.model.parameters(), lr)

    def run_epoch(self, docs, labels, bs):
        self.model.train()
        losses, start = [], time.perf_counter()
        for b, mask in batches(docs, labels, bs, True):
            loss = self.model(b.ids, mask, labels=b.labels).loss
            loss.backward()
            self.opt.step()
            self.opt.zero_grad()
            losses.append(loss.item())
        return time.perf_counter() - start, float(np.mean(losses))


class clas_predictor:
    def __init__(self, vocab=30_522, cfg=None, n_class=2):
        self.model = clas_trainer(vocab, cfg, n_class).model.eval()

    @torch.no_grad()
    def predict(self, docs, bs):
        out = np.empty((len(docs), self.model.config.num_labels), np.float32)
        for b, mask in batches(docs, None, bs):
            out[b.index] = self.model(b.ids, mask).logits.softmax(1).numpy()
        return out
