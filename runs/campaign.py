"""A reliability campaign: hostile texts by the million, a kill at every operation on files, and a flipped or missing byte in every file. Nothing may end the
program in another way than in words, and nothing may give another answer without a word. The record is written after each part, so that it can go on."""

import builtins
import json
import os
import re
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import numpy as np
import torch
from command_line import from_command_line
from typer import Option

from ulmfit_nb import fine_tune, load_classifier, pretrain, save_pretrained, train_classifier
from ulmfit_nb.classifier import Classifier
from ulmfit_nb.course.records import record
from ulmfit_nb.data import TextData, Tokens
from ulmfit_nb.files import write_json
from ulmfit_nb.stages import Stage

SHORT = dict(progress_bar=False, precision='fp32', epochs=1)
LM = dict(bs=2, bptt=20, min_freq=1, every=6, **SHORT)
WORDS = 'a an the film book plot cast script good fine warm dull long lazy and but so very'.split()


@dataclass(frozen=True, kw_only=True)
class Options:
    "Those of the command line."

    texts: Annotated[int, Option(help='hostile texts')] = 1_000_000
    chunk: Annotated[int, Option(help='of these, between two looks at the memory')] = 10_000
    kills: Annotated[int, Option(help='at most, in each stage; 0: at every operation')] = 0
    spoilt: Annotated[int, Option(help='flips and cuts of each file')] = 200
    seed: Annotated[int, Option(help='of texts, flips and cuts')] = 0
    minutes: Annotated[float, Option(help='stop after so long; the same call goes on')] = 1e6
    work: Annotated[Path, Option(help='directory for finished parts')] = Path('runs/out/campaign')
    out: Annotated[Path, Option(help='the record')] = Path('results/campaign.json')


# --- what the stages read and write: texts that are split already, for a stage that lasts a tenth of a second


def some_texts(n: int = 40) -> list[Tokens]:
    rng = np.random.default_rng(0)
    return [Tokens(['xxbos', *rng.choice(WORDS, 6).tolist()]) for _ in range(n)]


def labelled(n: int = 16) -> TextData:
    texts = some_texts(n)
    return TextData(texts, [i % 2 for i in range(n)], ['bad', 'good'])


class Killable(NamedTuple):
    "A call that can be killed."

    call: Callable[[Path], object]  # with the directory to write
    before: Callable[[Path], object] = None  # what was there
    check: Callable[[Path], object] = None  # what must be possible after a kill, before the same call


def stages(folder: Path) -> dict[str, Killable]:
    "What can be killed, each stage from the one before it."
    lm = pretrain(some_texts(), folder / 'lm', emb_sz=4, n_hid=4, n_layers=1, **LM)
    tuned = fine_tune(lm, some_texts(30), folder / 'tuned', **LM)
    classify = partial(train_classifier, tuned, labelled(), bs=8, every=1, **SHORT)
    classifier = classify(folder / 'classifier')
    return {
        'pretrain': Killable(lambda out: pretrain(some_texts(), out, emb_sz=4, n_hid=4, n_layers=1, **LM)),
        'fine_tune': Killable(lambda out: fine_tune(lm, some_texts(30), out, **LM)),
        'train_classifier': Killable(classify),
        'save_pretrained': Killable(lambda out: save_pretrained(classifier, out)),
        'save_pretrained over another': Killable(lambda out: save_pretrained(classifier, out), lambda out: save_pretrained(lm, out), Stage.open),
    }


# --- kills


def kind_of(name: str, *given) -> str:
    "What an operation is and what it is done to, without the numbers in it."
    path = next((a for a in given if isinstance(a, str | os.PathLike)), '')
    return re.sub(r'\d+', 'N', f'{name} {Path(path).name}')


@contextmanager
def watched(folder: Path, die_at: int | None = None) -> Iterator[list[str]]:
    "The operations on files of a folder, in order. The process ends before number `die_at`, without a word; a write is half done by then."
    done = []

    def watch(name, f):
        @wraps(f)
        def operation(*given, **more):
            paths = [a for a in given if isinstance(a, str | os.PathLike)]
            reads = name == 'open' and 'w' not in str(given[1:2] or more.get('mode', 'r'))
            if reads or paths and not str(paths[0]).startswith(str(folder)):
                return f(*given, **more)
            if len(done) == die_at:
                if name in ('write_bytes', 'write_text'):
                    f(given[0], given[1][: len(given[1]) // 2], **more)
                os._exit(9)
            done.append(kind_of(name, *given))
            return f(*given, **more)

        return operation

    names = {os: ('open', 'replace', 'fsync', 'mkdir', 'unlink', 'rmdir'), Path: ('write_bytes', 'write_text'), builtins: ('open',)}
    kept = [(owner, name, getattr(owner, name)) for owner, its in names.items() for name in its]
    for owner, name, f in kept:
        setattr(owner, name, watch('os.open' if owner is os and name == 'open' else name, f))
    try:
        yield done
    finally:
        for owner, name, f in kept:
            setattr(owner, name, f)


def in_child(call: Callable, said: Path) -> int:
    "How a call ends in a forked process: 0, 9 if it was killed, 1 for an error, which `said` then holds. What it prints is dropped."
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            call()
            status = 0
        except BaseException:
            with open(said, 'w') as f:
                traceback.print_exc(file=f)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(out: Path) -> dict:
    "All that a call has written, but for what the clock and the memory say."
    found = {str(p.relative_to(out.parent)): p.read_bytes() for p in sorted(out.parent.rglob('*')) if p.is_file()}
    for name in [n for n in found if n.endswith('history.json')]:
        found[name] = [{k: v for k, v in h.items() if k not in ('minutes', 'peak_mb')} for h in json.loads(found[name])]
    for name in [n for n in found if n.endswith('config.json')]:
        config = json.loads(found[name])
        del config['digest'], config['sha256']['history.json']
        found[name] = config
    return found


def start(of: Killable, folder: Path, die_at: int | None = None) -> list[str]:
    "Begin in an empty folder: what a call does to files, until it is killed if it is."
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if of.before:
        of.before(folder / 'out')
    with watched(folder, die_at) as done:
        of.call(folder / 'out')
    return done


def end(of: Killable, folder: Path):
    "The same call, after a kill."
    if of.check:
        of.check(folder / 'out')
    of.call(folder / 'out')


def one_of_each(done: list[str], most: int) -> list[int]:
    "Numbers of operations: all of them; or the first and the last of each kind, then of these at most so many."
    if not most:
        return list(range(len(done)))
    last = {kind: i for i, kind in enumerate(done)}
    found = sorted({done.index(kind) for kind in last} | set(last.values()))
    return [found[i] for i in np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))]


def kill_each(of: Killable, folder: Path, most: int = 0) -> dict:
    "Kill a call at its operations, one after the other, and call it again: what it does to files, and where the end was not the same."
    done, wrong, said = start(of, folder), {}, folder.with_suffix('.txt')
    due, numbers = contents(folder / 'out'), one_of_each(done, most)
    for n in numbers:
        ends = [in_child(partial(start, of, folder, n), said), in_child(partial(end, of, folder), said)]
        if ends != [9, 0] or contents(folder / 'out') != due:
            wrong[f'{n} {done[n]}'] = said.read_text()[-500:] if 1 in ends else f'ends {ends}, other files or bytes'
    return {'operations': len(done), 'kinds': len(set(done)), 'kills': len(numbers), 'wrong': wrong}


# --- flips and cuts


def spoil(data: bytes, rng: np.random.Generator) -> bytes:
    "A bit flipped, the end cut off, or a block of zeros, as after a power cut."
    at = int(rng.integers(len(data)))
    match rng.integers(3):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]
        case 1:
            return data[:at]
        case _:
            end = min(len(data), at + int(rng.integers(1, 4096)))
            return data[:at] + bytes(end - at) + data[end:]


def spoil_each(file: Path, answer: Callable[[], object], n: int, seed: int = 0) -> dict:
    "Spoil a file `n` times: how often that was refused in words, how often the answer was the same, and what else happened."
    whole, due, rng = file.read_bytes(), answer(), np.random.default_rng((seed, len(file.name)))
    found = {'refused': 0, 'same': 0, 'wrong': []}
    for _ in range(n):
        file.write_bytes(spoil(whole, rng))
        try:
            same = answer() == due
        except (ValueError, OSError) as e:
            found['refused'] += 1
            if str(file.parent) not in str(e) or isinstance(e, UnicodeError | json.JSONDecodeError):
                found['wrong'].append(f'an error without its file: {e}')
        except Exception as e:
            found['wrong'].append(f'{type(e).__name__}: {e}')
        else:
            found['same'] += same
            if not same:
                found['wrong'].append('another answer without a word')
    file.write_bytes(whole)
    return found


def cut_run(of: Killable, folder: Path, last: str):
    "Leave a run's directory as it is before a file is written that its work no longer needs."
    at = max(i for i, kind in enumerate(start(of, folder)) if last in kind)
    assert in_child(partial(start, of, folder, at), folder.with_suffix('.txt')) == 9


def spoil_stages(folder: Path, n: int, seed: int = 0) -> dict:
    "Flips and cuts of every file: of a classifier, and of a run that was cut short."
    calls, found = stages(folder / 'made'), {}

    def answer():
        stage = Stage.open(folder / 'made/classifier')
        return load_classifier(stage).logits(labelled().texts).tolist(), stage.config, stage.history, stage.vocab.words

    for file in sorted((folder / 'made/classifier').glob('*.*')):
        found[file.name] = spoil_each(file, answer, n, seed)
    cut_run(calls['pretrain'], folder / 'cut', 'write_bytes .model.safetensors')
    kept = shutil.copytree(folder / 'cut', folder / 'kept')

    def go_on():
        out = shutil.copytree(folder / 'kept/out', folder / 'on/out', dirs_exist_ok=True)
        try:
            calls['pretrain'].call(out)
            return Stage.open(out).config['sha256']['model.safetensors']
        finally:
            shutil.rmtree(folder / 'on')

    for file in sorted((kept / 'out/work').glob('c*')):
        found[file.name] = spoil_each(file, partial(told_of, folder / 'on', file.parent, go_on), max(1, n // 4), seed)
    return found


def told_of(copy: Path, folder: Path, call: Callable):
    "A call on a copy of a folder, whose errors name the folder."
    try:
        return call()
    except (ValueError, OSError) as e:
        raise type(e)(str(e).replace(str(copy / 'out/work'), str(folder))) from e


# --- hostile texts

SIGNS = [
    *'!?.,;:-_/\\#@&%$()[]{}<>"\'*+=|~^`',
    *(
        '&amp;',
        '&#39;',
        '&#' + '9' * 4301 + ';',
        '&amp;#' + '9' * 300 + ';',
        '&#x110000;',
        '&#0;',
        '&nosuch;',
        '&lt;br&gt;',
        '<br />',
        '<unk>',
        ' @-@ ',
        '\\n',
        '\\"',
    ),
    *(
        '😀',
        '👩‍👩‍👧‍👦',
        '🇩🇪',
        '✊🏿',
        '\u200b',
        '\u200d',
        '\ufeff',
        '\u202e',
        'e\u0301',
        'Z' + '\u0335' * 40,
        '\x00',
        '\x1b[31m',
        '\x85',
        '\u2028',
        '\ud800',
        '\udfff',
    ),
    *(
        'xxmaj',
        'xxup',
        'xxrep',
        'xxrep 9999999999 a',
        'xxwrep 4 b',
        'xxunk',
        'xxpad',
        'xxfake',
        'xxbos',
        '▁',
        "n't",
        "don't",
        'U.K.',
        'http://x.y/z?a=b',
        'a@b.de',
        '10:30',
        '1e309',
    ),
    *('日本語のテキスト', 'עברית', 'العربية', 'हिन्दी', 'ไทย', 'ﷺ', 'ǅ', 'ß', 'İ', 'ﬁ', 'Ⅷ', '٣٤', '𝔘𝔫𝔦'),
    *(' ', '  ', '\n', '\t', '\r\n', '\u3000', '\xa0', '\x0b', '\x1c'),
]


def hostile(rng: np.random.Generator) -> str:
    "A text that nobody writes, and somebody sends."
    parts = []
    for _ in range(int(rng.integers(8))):
        word = SIGNS[int(rng.integers(len(SIGNS)))] if rng.random() < 0.7 else WORDS[int(rng.integers(len(WORDS)))]
        times = 1 if rng.random() < 0.7 else int(2 ** rng.uniform(1, 5 if rng.random() < 0.98 else 10))
        case = (str, str.upper, str.title)[int(rng.integers(3))]
        parts.append((case(word) + ' ' * int(rng.integers(2))) * times)
    return ('', ' ')[int(rng.integers(2))].join(parts)[:20_000]


def hostile_texts(n: int, seed: int, chunk: int) -> list[str]:  # the chunk's number
    rng = np.random.default_rng((seed, chunk))
    return [hostile(rng) for _ in range(n)]


def try_texts(classifier: Classifier, texts: list[str], alone: int = 20) -> list[str]:
    "What is wrong with the answers to some texts: probabilities that are none, or that are others in company."
    wrong = []
    try:
        p = classifier.predict_proba(texts)
    except Exception as e:
        return [f'{type(e).__name__}: {e}']
    if p.shape != (len(texts), len(classifier.classes)) or not np.isfinite(p).all() or not np.allclose(p.sum(1), 1, atol=1e-5):
        wrong.append('what comes out are no probabilities')
    for i in range(0, len(texts), max(1, len(texts) // alone)):
        if not np.allclose(classifier.predict_proba([texts[i]])[0], p[i], atol=1e-4):
            wrong.append(f'another answer alone than in company: {texts[i][:200]!r}')
        tokens = classifier.tokenizer(texts[i])
        if not all(isinstance(t, str) and t for t in tokens) or tokens[0] != 'xxbos':
            wrong.append(f'tokens that are none: {texts[i][:200]!r}')
        classifier.vocab.decode(classifier.vocab.numericalize(tokens))
    return wrong


def resident_mb() -> float:
    "Memory that this process has in use, as Linux counts it."
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


def try_chunks(args: Options, ends: float) -> Iterator[dict]:
    "The chunks of hostile texts, each with its seconds and the memory after it; those that are done are read."
    path = args.work / 'texts.json'
    known = json.loads(path.read_text()) if path.exists() else []
    with suppress(OSError):
        stages(args.work / 'made')
    classifier = load_classifier(args.work / 'made/classifier', 'cpu')
    yield from known
    for i in range(len(known), -(-args.texts // args.chunk)):
        if time.monotonic() > ends:
            return
        n, started = min(args.chunk, args.texts - i * args.chunk), time.monotonic()
        wrong = try_texts(classifier, hostile_texts(n, args.seed, i))
        known.append(
            {'texts': n, 'seconds': round(time.monotonic() - started, 2), 'resident_mb': round(resident_mb(), 1), 'process': os.getpid(), 'wrong': wrong}
        )
        write_json(path, known)
        yield known[-1]


def growth(chunks: list[dict]) -> float | None:
    "MB that the second half of the chunks took more than there were after the first; of the process that did most of them."
    processes = [c['process'] for c in chunks]
    own = [c['resident_mb'] for c in chunks if c['process'] == max(set(processes), key=processes.count)]
    return round(max(own[len(own) // 2 :]) - max(own[: len(own) // 2]), 1) if len(own) > 3 else None


# --- all of it


def once(path: Path, make: Callable[[], dict]) -> dict:
    "A part that is finished is read from its file."
    if not path.exists():
        write_json(path, make())
    return json.loads(path.read_text())


def kill_stages(folder: Path, most: int) -> dict:
    return {name: kill_each(of, folder / 'kills' / name, most) for name, of in stages(folder / 'made').items()}


def main():
    args = from_command_line(Options)
    torch.set_num_threads(1)
    ends = time.monotonic() + 60 * args.minutes
    args.work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temp:
        kills = once(args.work / 'kills.json', lambda: kill_stages(Path(temp), args.kills))
        spoilt = once(args.work / 'spoilt.json', lambda: spoil_stages(Path(temp) / 'spoilt', args.spoilt, args.seed))
    chunks = []
    for chunk in try_chunks(args, ends):
        chunks.append(chunk)
        if len(chunks) % 10 == 0:
            print(f'{sum(c["texts"] for c in chunks):,} texts, {chunk["resident_mb"]} MB', flush=True)
    texts = {
        'texts': sum(c['texts'] for c in chunks),
        'of': args.texts,
        'seconds': round(sum(c['seconds'] for c in chunks), 1),
        'resident_mb': [c['resident_mb'] for c in chunks],
        'grown_mb': growth(chunks),
        'wrong': [w for c in chunks for w in c['wrong']],
    }
    record(args.out, 'bash runs/campaign.sh', {'seed': args.seed, 'texts': texts, 'kills': kills, 'spoilt': spoilt})
    print(f'written: {args.out}')


if __name__ == '__main__':
    main()
