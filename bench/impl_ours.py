"""ulmfit_nb behind the interface that impl_fastai.py describes. Loaded as a module whose name ends in bf16 (the label
'ours-bf16' does that), it computes in bfloat16; 'ours-int8' predicts in ONNX Runtime, with matrices of bytes. `raw` means nothing here."""

import os
import tempfile
import time
from types import SimpleNamespace

import numpy as np
import torch
from workload import Stopwatch

from ulmfit_nb.awd_lstm import CLASSIFIER_DROPOUTS, AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches, LMBatches, TokenStream
from ulmfit_nb.classifier import ClassifierTask, PoolingClassifier, predict_logits
from ulmfit_nb.language_model import LMTask
from ulmfit_nb.tokenization import Tokenizer, Vocab
from ulmfit_nb.training import FitSettings, Phase, Run, RunOptions, end_epoch, train_epoch

NONE_YET = SimpleNamespace(bs=64)  # batches come with each epoch
BF16, INT8 = __name__.endswith('bf16'), __name__.endswith('int8')
torch.set_num_threads(int(os.environ.get('BENCH_THREADS', '2')))


class Given:
    "Batches that are there already, as the loop wants them."

    vary_bptt = False

    def __init__(self, batches):
        self.batches = Stopwatch([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches])
        self.bptt = batches[0][0].shape[1]

    def n_batches(self, epoch=0):
        return len(self.batches)

    def epoch(self, epoch=0, start=0):
        return iter(self.batches)


class Loop:
    "The library's own loop, an epoch at a time; it stands in for its task in order to keep the loss of each step."

    def __init__(self, task, groups, lr, clip):
        self.task, self.model = task, task.model
        options = RunOptions(every=0, progress_bar=False, precision='bf16' if BF16 else 'fp32')
        self.phase, self.run = Phase(groups, [lr] * len(groups), 10**9), Run(self, FitSettings(clip=clip), options)
        self.run.start(self.phase)

    @property
    def train(self):
        return self.task.train

    def validate(self, model):
        return {}

    def step(self, model, batch, state):
        step = self.task.step(model, batch, state)
        self.losses.append(step.loss.detach())
        return step

    def epoch(self, train):
        "Seconds, and the losses."
        self.task.train, self.losses, start = train, [], time.perf_counter()
        train_epoch(self.run, train.n_batches())
        seconds = time.perf_counter() - start
        end_epoch(self.run, self.phase)
        return seconds, torch.stack(self.losses).tolist()


def encoder_weights(encoder):
    lstms = [w.lstm for w in encoder.lstms]
    return [encoder.embedding.emb.weight] + [p for m in lstms for p in (m.weight_ih_l0, m.weight_hh_l0, m.bias_ih_l0, m.bias_hh_l0)]


class lm_trainer:
    def __init__(self, vocab, cfg, raw=False, drop_mult=1.0, lr=1e-3, clip=0.1):
        torch.manual_seed(0)
        self.model = LanguageModel(AWDLSTMConfig(vocab, **cfg).drop(drop_mult))
        self.loop = Loop(LMTask(self.model, NONE_YET), list(self.model.layer_groups()), lr, clip)

    def weights(self):
        return encoder_weights(self.model.encoder) + [self.model.decoder.bias]

    def run(self, batches):
        given = Given(batches)
        _, losses = self.loop.epoch(given)
        return given.batches.seconds, losses


class clas_trainer:
    def __init__(self, vocab, cfg, n_class=2, bptt=72, max_len=1440, raw=False, drop_mult=0.5, lr=1e-3, freeze_to=0):
        torch.manual_seed(0)
        config = AWDLSTMConfig(vocab, **cfg).drop(drop_mult, **CLASSIFIER_DROPOUTS)
        self.model = PoolingClassifier(config, n_class, bptt, max_len)
        self.loop = Loop(ClassifierTask(self.model, NONE_YET), list(self.model.layer_groups())[freeze_to:], lr, clip=1e9)

    def weights(self):
        return encoder_weights(self.model.encoder) + list(self.model.head.parameters())

    def run_epoch(self, docs, labels, bs):
        seconds, losses = self.loop.epoch(DocBatches(docs, labels, bs, shuffle=True))
        return seconds, float(np.mean(losses))


class clas_predictor:
    def __init__(self, vocab, cfg, n_class=2, bptt=72, max_len=1440, raw=False):
        self.trainer = clas_trainer(vocab, cfg, n_class, bptt, max_len)

    def weights(self):
        return self.trainer.weights()

    def export(self):
        "Put ONNX Runtime in the encoder's place, which has its weights by now."
        from ulmfit_nb.onnx_engine import OnnxEncoder, export_encoder

        model = self.trainer.model
        with tempfile.TemporaryDirectory() as work:
            model.encoder = OnnxEncoder(export_encoder(model.encoder, work, 'bench', 'onnx-int8'), model.encoder.config, 'bench')

    def predict(self, docs, bs):
        if INT8 and list(self.trainer.model.encoder.parameters()):
            self.export()
        with torch.autocast('cpu', torch.bfloat16, enabled=BF16):
            logits = predict_logits(self.trainer.model, DocBatches(docs, bs=bs))
        return logits.softmax(1).numpy()


def tokenize(texts, n_workers=0):
    return list(Tokenizer().map(texts, n_workers))  # a new one each time: its memo is empty


def lm_loader(docs, bs=64, seq_len=72):
    stream = TokenStream.of(docs)
    return LMBatches(stream.ids, stream.offsets, bs, seq_len, shuffle=True)


def lm_pipeline(tokens, bs=64, seq_len=72):
    vocab = Vocab.build(tokens)
    return lm_loader([vocab.numericalize(t) for t in tokens], bs, seq_len)
