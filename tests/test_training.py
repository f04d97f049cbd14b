"""Training: resume equals no interruption, runs repeat, NaN stops, files are whole or absent, bad directories are named."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import DocBatches, LMBatches
from ulmfit_nb.classifier import ClassifierTask, TextClassifierModel
from ulmfit_nb.schedules import one_cycle, one_cycle_momentum
from ulmfit_nb.tokenization import Vocab
from ulmfit_nb.training import (
    LMTask,
    Phase,
    StageError,
    atomic,
    evaluate_lm,
    fit,
    is_finished,
    load_stage,
    load_weights,
    model_tensors,
    read_checkpoint,
    save_stage,
    write_json,
    write_tensors,
)

CONFIG = AWDLSTMConfig(40, emb_sz=8, n_hid=12, n_layers=2)
ALL = ["lstm 1", "lstm 2", "embedding"]
PLAN = [Phase(["embedding"], [0.02], 2), Phase(ALL, [0.005, 0.01, 0.02], 2)]


class Cut(LMBatches):
    "Batches that come to a sudden end at (epoch, batch)."

    cut, how = None, staticmethod(lambda: (_ for _ in ()).throw(KeyboardInterrupt))

    def epoch(self, epoch=0, start=0):
        for i, batch in enumerate(super().epoch(epoch, start), start):
            if (epoch, i) == self.cut:
                self.how()
            yield batch


def data(cls=LMBatches, n=300, **kw):
    ids, offsets = np.random.default_rng(0).integers(2, 40, n), np.arange(0, n + 1, 20)
    return cls(ids, offsets, bs=4, bptt=9, **kw)


def lm(tie=True, seed=0):
    torch.manual_seed(seed)
    return LanguageModel(AWDLSTMConfig(40, emb_sz=8, n_hid=12, n_layers=2, tie_weights=tie))


def train(cut=None, checkpoint=None, plan=PLAN, every=3, model=None, how=None, **kw):
    "Weights and history of a run (None if it was cut), each run with a new model and new data, as in a new process."
    batches, model = data(Cut, shuffle=True, vary_bptt=True), model or lm()
    batches.cut = cut
    if how:
        batches.how = how
    task = LMTask(model, batches, data())
    try:
        history = fit(task, plan, one_cycle, one_cycle_momentum, checkpoint=checkpoint, every=every, progress_bar=False, **kw)
    except KeyboardInterrupt:
        return None
    return {k: v.detach().clone() for k, v in model_tensors(model).items()}, timeless(history)


def timeless(history):
    return [{k: v for k, v in h.items() if k not in ("minutes", "peak_mb")} for h in history]


def same(a, b):
    return a[1] == b[1] and a[0].keys() == b[0].keys() and all(torch.equal(v, b[0][k]) for k, v in a[0].items())


@pytest.fixture(scope="module")
def undisturbed():
    return train()


# --- resume


def test_the_plan_has_several_batches_an_epoch():
    assert min(data(vary_bptt=True).n_batches(e) for e in range(4)) > 5


@pytest.mark.parametrize("cut", [(0, 1), (0, 5), (1, 0), (1, 4), (2, 0), (3, 5)], ids=lambda c: f"epoch {c[0]} batch {c[1]}")
def test_resume_equals_no_interruption(cut, undisturbed, tmp_path):
    assert train(cut, tmp_path / "c") is None
    assert same(train(None, tmp_path / "c"), undisturbed)


def test_cut_again_and_again(undisturbed, tmp_path):
    for cut in [(0, 4), (0, 5), (1, 4), (2, 3), (2, 5), (3, 1)]:
        assert train(cut, tmp_path / "c", every=1) is None
    assert same(train(None, tmp_path / "c", every=1), undisturbed)


def test_a_finished_run_is_not_trained_again(undisturbed, tmp_path):
    train(None, tmp_path / "c")
    assert same(train((0, 0), tmp_path / "c"), undisturbed)


def test_resume_in_bf16(tmp_path):
    whole = train(bf16=True)
    assert train((3, 5), tmp_path / "c", bf16=True) is None
    assert same(train(None, tmp_path / "c", bf16=True), whole)


def test_resume_after_sigkill(undisturbed, tmp_path):
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import torch; torch.set_num_threads({torch.get_num_threads()})
        from test_training import train
        train((3, 4), {str(tmp_path / "c")!r}, how=lambda: os.kill(os.getpid(), signal.SIGKILL))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_checkpoint(tmp_path / "c", {})[0].epochs_done == 3
    assert same(train(None, tmp_path / "c"), undisturbed)


@pytest.mark.parametrize("cut", [(0, 3), (1, 2)])
def test_resume_a_classifier(cut, tmp_path):
    class CutDocs(DocBatches):
        def epoch(self, epoch=0, start=0):
            for i, batch in enumerate(super().epoch(epoch, start), start):
                if (epoch, i) == self.cut:
                    raise KeyboardInterrupt
                yield batch

    def run(cut, checkpoint):
        rng = np.random.default_rng(0)
        docs = CutDocs([rng.integers(2, 40, n) for n in rng.integers(1, 20, 24)], [0, 1] * 12, bs=6, shuffle=True)
        torch.manual_seed(0)
        docs.cut, model = cut, TextClassifierModel(CONFIG, 2, bptt=5, max_len=10)
        plan = [Phase(["head"], [0.01]), Phase(["lstm 2", "head"], [0.005, 0.01])]
        try:
            history = fit(ClassifierTask(model, docs, docs), plan, checkpoint=checkpoint, every=2, progress_bar=False)
        except KeyboardInterrupt:
            return None
        return model_tensors(model), timeless(history)

    assert run(cut, tmp_path / "c") is None
    assert same(run(None, tmp_path / "c"), run(None, None))


# --- repeatable, in both precisions


def test_same_seed_same_weights(undisturbed, tmp_path):
    assert same(train(None, tmp_path / "c", every=2), undisturbed), "checkpoints must not disturb a run"
    assert not same(train(seed=1), undisturbed)


def test_bf16_is_close_to_fp32(undisturbed):
    half = train(bf16=True)
    assert [h["train_loss"] for h in half[1]] == pytest.approx([h["train_loss"] for h in undisturbed[1]], rel=0.01)
    assert [h["train_loss"] for h in half[1]] != [h["train_loss"] for h in undisturbed[1]]
    assert all(v.dtype == torch.float32 for v in half[0].values())


def test_it_learns_something():
    assert (losses := [h["train_loss"] for h in train(plan=[Phase(ALL, [0.02] * 3, 3)])[1]])[-1] < losses[0]


def test_frozen_groups_stay_and_all_learn_afterwards():
    model, start = lm(), model_tensors(lm())
    after, _ = train(plan=[Phase(["lstm 2"], [0.02])], model=model)
    assert {k for k, v in after.items() if not torch.equal(v, start[k])} == {k for k in start if ".lstms.1." in k}
    assert all(p.requires_grad for p in model.parameters())


def test_unknown_group():
    with pytest.raises(KeyError, match="head.*lstm 1, lstm 2, embedding"):
        train(plan=[Phase(["head"], [0.1])])


def test_a_phase_of_no_epochs_is_left_out():
    plan = [Phase(["embedding"], [0.1], 0), Phase(["lstm 1"], [0.1]), Phase(ALL, [0.1] * 3, 0)]
    assert [h["groups"] for h in train(plan=plan)[1]] == [["lstm 1"]]


def test_perplexity_counts_every_token_the_same():
    model, batches = lm().eval(), data()
    state, losses = None, []
    with torch.no_grad():
        for x, y in batches:
            o = model(x, state)
            state = o.state
            losses += [-o.logits[i, t].log_softmax(0)[y[i, t]].item() for i in range(len(x)) for t in range(x.shape[1])]
    found = evaluate_lm(model, batches)
    assert found["valid_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)


# --- tied weights


def is_tied(model):
    return model.decoder.weight is model.encoder.embedding.emb.weight


def test_tied_weights_stay_tied(tmp_path):
    model, vocab = lm(), Vocab([str(i) for i in range(40)])
    weights, _ = train(model=model)
    save_stage(tmp_path, "language model", model, vocab, {}, [])
    tensors = load_stage(tmp_path, "language model")[2]
    assert "decoder.weight" not in tensors
    other = lm(seed=1)
    load_weights(other, tensors, tmp_path)
    assert is_tied(model) and is_tied(other) and is_tied(other.to(torch.float64).to(torch.float32))
    assert torch.equal(other.decoder.weight, weights["encoder.embedding.emb.weight"])
    train(model=other)
    assert is_tied(other) and not is_tied(lm(tie=False))


@pytest.mark.parametrize("wrong,message", [
    (model_tensors(lm(tie=False)), "decoder.weight, which this model has not got.*another model"),
    (model_tensors(LanguageModel(AWDLSTMConfig(41, 8, 12, 2))), r"\(41,\) and should be \(40,\).*another model"),
    ({k: v for k, v in model_tensors(lm()).items() if "lstms.1" not in k}, "no weights for encoder.lstms.1.*another model"),
], ids=["untied", "another size", "fewer layers"])  # fmt: skip
def test_weights_of_another_model(wrong, message):
    model = lm()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_weights(model, wrong, "file")
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# --- when the loss is no number


def blow_up(step):
    return lambda t, T, lr_max: math.inf if t == step else lr_max


@pytest.mark.parametrize("step,why", [(3, "the loss is nan"), (5, "weights that are not numbers")])
def test_nan_stops_and_keeps_the_last_good_checkpoint(step, why, tmp_path):
    task = LMTask(lm(), data())
    with pytest.raises(FloatingPointError, match=f"{why}.*lower the learning rate"):
        fit(task, [Phase(ALL, [0.01] * 3)], blow_up(step), checkpoint=tmp_path / "c", every=3, progress_bar=False)
    at, tensors = read_checkpoint(tmp_path / "c", {})
    assert at.step == 3 and all(v.isfinite().all() for k, v in tensors.items() if k.startswith("model."))


def test_nan_in_the_last_step_is_noticed():
    last = len(data()) - 1
    with pytest.raises(FloatingPointError, match="weights"):
        fit(LMTask(lm(), data()), [Phase(ALL, [0.01] * 3)], blow_up(last), progress_bar=False)


# --- checkpoints that can't be used


def test_other_settings(tmp_path):
    train((1, 1), tmp_path / "c", settings={"lr": 0.01, "hidden": (50,)})
    with pytest.raises(ValueError, match=r"other settings \(lr: 0.01 there, 0.02 now\)"):
        train(None, tmp_path / "c", settings={"lr": 0.02, "hidden": (50,)})
    assert train(None, tmp_path / "c", settings={"lr": 0.01, "hidden": [50]})


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:5], lambda b: b[:200], lambda b: b[:-10], lambda b: b"\0" * len(b)],
                         ids=["empty", "5 bytes", "200 bytes", "end missing", "zeros"])  # fmt: skip
def test_damaged_checkpoint(spoil, tmp_path):
    path = tmp_path / "c"
    train((0, 5), path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match="c is damaged.*Delete it"):
        train(None, path)


def test_not_a_checkpoint(tmp_path):
    write_tensors(tmp_path / "c", model_tensors(lm()))
    with pytest.raises(ValueError, match="not written by a run"):
        train(None, tmp_path / "c")


def test_checkpoint_of_another_model(tmp_path):
    train((0, 5), tmp_path / "c")
    larger = LanguageModel(AWDLSTMConfig(40, 8, 16, 2))
    with pytest.raises(ValueError, match="belongs to another model"):
        train(None, tmp_path / "c", model=larger)


def test_checkpoint_of_another_plan(tmp_path):
    train((0, 5), tmp_path / "c", plan=[Phase(ALL, [0.01] * 3)])
    with pytest.raises(ValueError, match="other layer groups"):
        train(None, tmp_path / "c", plan=[Phase(["embedding"], [0.01])])


# --- atomic writes


def files(folder):
    return sorted(f.name for f in Path(folder).iterdir())


FAILURES = [(errno.ENOSPC, "no space left.*Free some"), (errno.EDQUOT, "no space left"), (errno.EIO, "output")]


@pytest.mark.parametrize("code,message", FAILURES)
def test_a_write_that_fails_leaves_the_old_file(code, message, tmp_path, monkeypatch):
    write_tensors(tmp_path / "t", {"a": torch.ones(1000)})
    old = (tmp_path / "t").read_bytes()

    def half(self, content):
        with open(self, "wb") as f:
            f.write(content[: len(content) // 2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match=message) as e:
        write_tensors(tmp_path / "t", {"a": torch.zeros(1000)})
    assert e.value.errno == code and (tmp_path / "t").read_bytes() == old and files(tmp_path) == ["t"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failing_system_call_leaves_the_old_file(name, tmp_path, monkeypatch):
    write_json(tmp_path / "j", 1)

    def full(*args):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, name, full)
    with pytest.raises(OSError, match="no space left"):
        write_json(tmp_path / "j", 2)
    assert json.loads((tmp_path / "j").read_text()) == 1 and files(tmp_path) == ["j"]


def test_a_full_disk_stops_a_run_that_then_goes_on(undisturbed, tmp_path, monkeypatch):
    calls, write = [], Path.write_bytes

    def fills_up(self, content):
        calls.append(self)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "full")
        return write(self, content)

    with monkeypatch.context() as m:
        m.setattr(Path, "write_bytes", fills_up)
        with pytest.raises(OSError, match="goes on from its last checkpoint"):
            train(None, tmp_path / "c")
    assert files(tmp_path) == ["c"]
    assert same(train(None, tmp_path / "c"), undisturbed)


def test_a_real_limit(tmp_path):
    pytest.importorskip("resource")
    write_tensors(tmp_path / "t", {"a": torch.ones(10)})
    old = (tmp_path / "t").read_bytes()
    code = f"""
        import resource, torch
        from ulmfit_nb.training import write_tensors
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try: write_tensors({str(tmp_path / "t")!r}, {{"a": torch.zeros(100_000)}})
        except OSError as e: print("OSError", e.errno)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout.split() == ["OSError", str(errno.EFBIG)], done.stderr
    assert (tmp_path / "t").read_bytes() == old and files(tmp_path) == ["t"]


def test_leftovers_of_a_killed_write_are_swept_up(tmp_path):
    for name in (".[x].1.part", ".other.1.part"):
        (tmp_path / name).write_text("half")
    with atomic(tmp_path / "[x]") as temp:
        temp.write_text("whole")
    assert files(tmp_path) == [".other.1.part", "[x]"]


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "new" / "x") as temp:
        temp.write_text("half")
        raise ZeroDivisionError
    assert files(tmp_path / "new") == []


# --- stage directories


@pytest.fixture
def stage(tmp_path):
    save_stage(tmp_path / "lm", "language model", lm(), Vocab([f"wörd{i}" for i in range(40)]), {"settings": {"lr": 0.01}}, [])
    save_stage(tmp_path / "other", "language model", lm(seed=1), Vocab([f"mot{i}" for i in range(40)]), {"settings": {}}, [])
    return tmp_path / "lm"


def test_a_stage_comes_back(stage):
    config, vocab, tensors = load_stage(stage, "language model")
    assert config["settings"] == {"lr": 0.01} and vocab.words[3] == "wörd3"
    assert files(stage) == ["config.json", "history.json", "model.safetensors", "vocab.json"]
    assert all(torch.equal(v, tensors[k]) for k, v in model_tensors(lm()).items())


def cut_short(name):
    return lambda d: (d / name).write_bytes((d / name).read_bytes()[:-30])


def remove(name):
    return lambda d: (d / name).unlink()


def exchange(name):
    return lambda d: (d / name).write_bytes((d.parent / "other" / name).read_bytes())


def write(name, content):
    return lambda d: (d / name).write_bytes(content)


def rename(d):
    d.rename(d.parent / "elsewhere")


def unfinished(d):
    remove("config.json")(d)
    (d / "work").mkdir()


BAD = {
    "no directory": (rename, "no such directory"),
    "a file": (lambda d: (rename(d), d.write_text("x")), "no such directory"),
    "no config": (remove("config.json"), "not a directory that a stage has written"),
    "unfinished": (unfinished, "cut short. Run the same command again"),
    "config cut short": (cut_short("config.json"), "config.json is damaged.*Copy"),
    "config empty": (write("config.json", b""), "config.json is damaged"),
    "config not text": (write("config.json", b"\xff\xfe\x00"), "config.json is damaged"),
    "config not ours": (write("config.json", b'{"model_type": "bert"}'), "not written by this library"),
    "config a list": (write("config.json", b"[]"), "not written by this library"),
    "config without hashes": (write("config.json", b'{"stage": "language model", "sha256": {}}'), "model.safetensors is damaged"),
    "no weights": (remove("model.safetensors"), "model.safetensors is missing.*pretrain or fine_tune"),
    "no vocabulary": (remove("vocab.json"), "vocab.json is missing"),
    "weights cut short": (cut_short("model.safetensors"), "model.safetensors is damaged or comes from another model"),
    "vocabulary cut short": (cut_short("vocab.json"), "vocab.json is damaged or comes from another model"),
    "weights empty": (write("model.safetensors", b""), "model.safetensors is damaged"),
    "weights of another model": (exchange("model.safetensors"), "model.safetensors.*comes from another model"),
    "vocabulary of another model": (exchange("vocab.json"), "vocab.json.*comes from another model"),
    "config of another model": (exchange("config.json"), "comes from another model"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_directory(what, stage):
    spoil, message = BAD[what]
    spoil(stage)
    with pytest.raises(StageError, match=message) as e:
        load_stage(stage, "language model")
    assert str(stage) in str(e.value)


def test_wrong_stage(stage):
    message = "holds a language model, where a classifier is due.*train_classifier"
    with pytest.raises(StageError, match=message):
        load_stage(stage, "classifier")


def test_finished_or_not(stage, tmp_path):
    assert is_finished(stage, {"lr": 0.01}) and not is_finished(tmp_path / "new", {"lr": 0.01})
    with pytest.raises(ValueError, match=r"other settings \(lr: 0.01 there, 0.1 now\)"):
        is_finished(stage, {"lr": 0.1})
    remove("config.json")(stage)
    assert not is_finished(stage, {"lr": 0.01})


@pytest.mark.parametrize("survivors", range(4))
def test_killed_while_saving_a_stage(survivors, tmp_path, monkeypatch):
    "However many of the four files were written: not finished, and named as such; saving again mends it."
    done, replace = [], os.replace

    def dies(a, b):
        if len(done) == survivors:
            raise KeyboardInterrupt
        done.append(b)
        replace(a, b)

    save = lambda: save_stage(tmp_path, "language model", lm(), Vocab(["a"]), {"settings": {}}, [])  # noqa: E731
    with monkeypatch.context() as m:
        m.setattr(os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            save()
    assert not is_finished(tmp_path, {})
    with pytest.raises(StageError, match="no config.json"):
        load_stage(tmp_path, "language model")
    save()
    assert load_stage(tmp_path, "language model")[1].words == ["a"]


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.json"])
@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_damaged_directory_is_not_finished(stage, name, harm):
    """The mend that load_stage names, to run the stage again, must not be answered with 'there is nothing to do'."""
    path = stage / name
    path.write_bytes(path.read_bytes()[:-5])
    if harm == "gone":
        path.unlink()
    assert not is_finished(stage, {"lr": 0.01})
