"Files: whole or absent, whatever fails on the way; and no two runs at one checkpoint."

import errno
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Made, names_in, new_lm, run_program, same_run, short_run, start_program
from safetensors.torch import load_file

from ulmfit_nb import files
from ulmfit_nb.batching import StreamWriter, open_stream
from ulmfit_nb.checkpoint import model_tensors
from ulmfit_nb.corpus import remap_ids
from ulmfit_nb.files import BusyError, alone_in, atomic_open, atomic_write, checkpoint_lock, read_json, sweep, whole_directory, write_json, write_tensors

# --- tensors


def test_tensors_are_written_without_being_copied(tmp_path):
    tensors = model_tensors(new_lm())
    with Made() as made:
        write_tensors(tmp_path / 't', tensors)
    assert 'aten::clone' not in made.names


def test_tensors_that_share_memory_are_written_whole(tmp_path):
    t = torch.arange(12.0).view(3, 4)
    tensors = {'a': t, 'b': t, 'row': t[1], 'column': t[:, 1], 'transposed': t.t(), 'wide': torch.ones(1).expand(5), 'none': torch.zeros(0, 3)}
    write_tensors(tmp_path / 't', tensors)
    found = load_file(tmp_path / 't')
    assert found.keys() == tensors.keys() and all(torch.equal(v, found[k]) for k, v in tensors.items())


# --- atomic writes


FAILURES = [(errno.ENOSPC, 'no space left.*Free some'), (errno.EDQUOT, 'no space left'), (errno.EIO, 'output')]


@pytest.mark.parametrize('code,message', FAILURES)
def test_a_write_that_fails_leaves_the_old_file(code, message, tmp_path, monkeypatch):
    write_tensors(tmp_path / 't', {'a': torch.ones(1000)})
    old = (tmp_path / 't').read_bytes()

    def half(self, content):
        with open(self, 'wb') as f:
            f.write(content[: len(content) // 2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, 'write_bytes', half)
    with pytest.raises(OSError, match=message) as e:
        write_tensors(tmp_path / 't', {'a': torch.zeros(1000)})
    assert e.value.errno == code and (tmp_path / 't').read_bytes() == old and names_in(tmp_path) == ['t']


@pytest.mark.parametrize('name', ['fsync', 'replace'])
def test_a_failing_system_call_leaves_the_old_file(name, tmp_path, monkeypatch):
    write_json(tmp_path / 'j', 1)

    def full(*args):
        raise OSError(errno.ENOSPC, 'full')

    monkeypatch.setattr(os, name, full)
    with pytest.raises(OSError, match='no space left'):
        write_json(tmp_path / 'j', 2)
    assert json.loads((tmp_path / 'j').read_text()) == 1 and names_in(tmp_path) == ['j']


def test_a_full_disk_stops_a_run_that_then_goes_on(undisturbed, tmp_path, monkeypatch):
    calls, write = [], Path.write_bytes

    def fills_up(self, content):
        calls.append(self)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, 'full')
        return write(self, content)

    with monkeypatch.context() as m:
        m.setattr(Path, 'write_bytes', fills_up)
        with pytest.raises(OSError, match='goes on from its last checkpoint'):
            short_run(None, tmp_path / 'c')
    assert names_in(tmp_path) == ['.c.lock', 'c']
    assert same_run(short_run(None, tmp_path / 'c'), undisturbed)


def test_a_real_limit(tmp_path):
    pytest.importorskip('resource')
    write_tensors(tmp_path / 't', {'a': torch.ones(11)})
    old = (tmp_path / 't').read_bytes()
    done = run_program('full_disk', tmp_path / 't')
    assert done.stdout.split() == ['OSError', str(errno.EFBIG)], done.stderr
    assert (tmp_path / 't').read_bytes() == old and names_in(tmp_path) == ['t']


def test_leftovers_of_a_killed_write_are_swept_up(tmp_path):
    ended, mine = 999_999_999, os.getpid()
    for name in ('[x]', 'other', '[x].y'):
        for number in (ended, f'{ended}.0', mine, f'{mine}.999999', os.getppid()):
            (tmp_path / f'.{name}.{number}.part').write_text('half')
    with atomic_write(tmp_path / '[x]') as temp:
        with atomic_write(tmp_path / '[x]') as second:  # in another thread, say
            second.write_text('second')
        temp.write_text('whole')
    assert (tmp_path / '[x]').read_text() == 'whole'
    assert [n for n in names_in(tmp_path) if n.startswith(('.[x].', '[x]')) and '.y.' not in n] == [f'.[x].{os.getppid()}.part', '[x]']
    assert len(names_in(tmp_path)) == 12, 'parts of other files stay'


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / 'new' / 'x') as temp:
        temp.write_text('half')
        raise ZeroDivisionError
    assert names_in(tmp_path / 'new') == []


# --- what the system says, in words

SAID = {
    errno.ENOSPC: 'no space left to write',
    errno.EFBIG: 'larger than a file may be here',
    errno.EACCES: 'no permission to write',
    errno.EROFS: 'can only be read',
    errno.ENOLCK: 'no locks',
    errno.EEXIST: 'a file, or a link that leads nowhere, stands where a directory is due',
    errno.EIO: 'the disk reports an input or output error',
    errno.EMFILE: 'too many files are open',
}


@pytest.mark.parametrize('name', ['mkdir', 'fsync', 'replace', 'write'])
@pytest.mark.parametrize('code', SAID)
def test_what_the_system_refuses_is_told_in_words(code, name, tmp_path, monkeypatch):
    def refuse(*given, **more):
        file = given[0] if isinstance(given[0], str | Path) else None
        raise OSError(code, os.strerror(code), file)

    with monkeypatch.context() as m:
        m.setattr(*((Path, 'write_text') if name == 'write' else (os, name)), refuse)
        for write in (lambda: write_json(tmp_path / 'new/j', 1), lambda: writes_a_directory(tmp_path / 'new/model/j', b'1')):
            if name != 'write' or 'write_json' in write.__code__.co_names:
                with pytest.raises(OSError, match=SAID[code]) as e:
                    write()
                assert e.value.errno == code and str(tmp_path / 'new') in str(e.value)


@pytest.mark.skipif(os.name == 'nt', reason='locks of another system')
@pytest.mark.parametrize('code', [errno.ENOLCK, errno.EROFS, errno.ENOSPC])
def test_a_file_system_without_locks_is_told_in_words(code, tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr(fcntl, 'flock', lambda *given: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    for lock in (checkpoint_lock(tmp_path / 'c'), alone_in(tmp_path / 'folder')):
        with pytest.raises(OSError, match=SAID[code]), lock:
            pass


def test_what_goes_wrong_with_another_file_is_not_told_of_this_one(tmp_path):
    for name in ('read', 'out.txt.more', 'sub/out.txt'):
        with pytest.raises(FileNotFoundError, match=f'No such file or directory.*{name}'), atomic_write(tmp_path / 'out.txt'):
            (tmp_path / name).read_text()
    (tmp_path / 'folder').mkdir()
    with pytest.raises(IsADirectoryError, match='Is a directory: .*folder'), atomic_write(tmp_path / 'out.txt'):
        (tmp_path / 'folder').read_text()
    with pytest.raises(IsADirectoryError, match='folder is a directory, where a file is due'):
        write_json(tmp_path / 'folder', 1)


def test_a_directory_where_a_file_stands_or_a_link_leads_nowhere(tmp_path):
    (tmp_path / 'file').write_text('mine')
    (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
    for name in ('file', 'link'):
        for write in (lambda: write_json(tmp_path / name / 'j', 1), lambda: writes_a_directory(tmp_path / name / 'model/j', b'1')):  # noqa: B023
            with pytest.raises(OSError, match=f'{name}.*stands where a directory is due'):
                write()
    assert (tmp_path / 'file').read_text() == 'mine' and names_in(tmp_path) == ['file', 'link']


# --- JSON with a hash of itself


def test_sealed_json_comes_back_and_what_was_changed_is_told(tmp_path):
    value = {'classes': ('neg', 'pos'), 'n': np.int64(3), 'deep': {'b': 1.5, 'a': None}, 'ü': 'é'}
    write_json(tmp_path / 'j', value, sealed=True)
    read = {'classes': ['neg', 'pos'], 'n': 3, 'deep': {'a': None, 'b': 1.5}, 'ü': 'é'}
    assert read_json(tmp_path / 'j') == read and json.loads((tmp_path / 'j').read_text())['digest']
    text = (tmp_path / 'j').read_text()
    (tmp_path / 'j').write_text(json.dumps(dict(reversed(json.loads(text).items()))))  # in another order, without line breaks
    assert read_json(tmp_path / 'j') == read
    for old, new in (('pos', 'neu'), ('1.5', '1.25'), ('null', '0'), ('"n"', '"m"'), ('3', '3.0')):
        (tmp_path / 'j').write_text(text.replace(old, new, 1))
        with pytest.raises(ValueError, match='j is damaged: its digest is another'):
            read_json(tmp_path / 'j')


# --- what is written bit by bit, and what a power cut finds


def writes_bytes(path, content):
    with atomic_open(path) as f:
        f.write(content)


def writes_a_stream(path, content):
    writer = StreamWriter(path)
    writer.add(np.frombuffer(content, np.int32))
    writer.close()


def exchanges_ids(path, content):
    path.write_bytes(bytes(len(content)))
    remap_ids(path, np.frombuffer(content, np.int32)[:1])


def writes_a_directory(path, content):
    with whole_directory(path.parent) as temp:
        (temp / path.name).write_bytes(content)


@pytest.mark.skipif(os.name == 'nt', reason='Windows opens no folders')
@pytest.mark.parametrize('write', [writes_bytes, writes_a_stream, exchanges_ids, writes_a_directory])
def test_file_and_folder_are_on_the_disk_before_a_write_is_done(write, tmp_path, monkeypatch):
    "The order is what counts: the content before the name, the name before anything else."
    calls, replace, fsync, seven = [], os.replace, os.fsync, np.full(8, 7, np.int32).tobytes()

    def synced(fd):
        status = os.fstat(fd)
        calls.append(('on disk', status.st_ino, status.st_size))
        fsync(fd)

    def renamed(a, b):
        calls.append(('renamed', os.stat(a).st_ino, Path(b)))
        replace(a, b)

    path = tmp_path / 'model' / 'ids'
    path.parent.mkdir()
    with monkeypatch.context() as m:
        m.setattr(os, 'fsync', synced)
        m.setattr(os, 'replace', renamed)
        write(path, seven)
    assert path.read_bytes() == seven
    moved = path.parent if write is writes_a_directory else path
    at = max(i for i, call in enumerate(calls) if call[0] == 'renamed' and call[2] == moved)
    assert ('on disk', path.stat().st_ino, len(seven)) in calls[:at], 'the content may come after the name'
    assert calls[at][1] == moved.stat().st_ino
    assert any(call[:2] == ('on disk', moved.parent.stat().st_ino) for call in calls[at:]), 'the name may be lost'


@pytest.mark.parametrize('cut', [KeyboardInterrupt, OSError(errno.ENOSPC, 'full')])
@pytest.mark.parametrize('old', [None, b'the old one'])
def test_an_open_file_that_is_cut_leaves_what_was_there(cut, old, tmp_path):
    if old:
        (tmp_path / 'f').write_bytes(old)
    with pytest.raises((KeyboardInterrupt, OSError)), atomic_open(tmp_path / 'f') as f:
        f.write(b'half')
        f.flush()
        raise cut
    assert names_in(tmp_path) == ['f'] * bool(old) and (not old or (tmp_path / 'f').read_bytes() == old)


def test_text_is_utf_8_on_any_machine(tmp_path):
    with atomic_open(tmp_path / 'f', 'w') as f:
        f.write('Größe')
    assert (tmp_path / 'f').read_bytes() == 'Größe'.encode()


def test_a_stream_being_written_leaves_the_old_one_to_be_read(tmp_path):
    writes_a_stream(tmp_path / 'ids', np.arange(3, dtype=np.int32).tobytes())
    writer = StreamWriter(tmp_path / 'ids')
    writer.add([9])
    assert open_stream(tmp_path / 'ids').ids.tolist() == [0, 1, 2]
    writer.abort()
    writer.abort()  # of no consequence
    assert names_in(tmp_path) == ['ids', 'ids.offsets'] and open_stream(tmp_path / 'ids').ids.tolist() == [0, 1, 2]


def test_an_exchange_that_is_cut_leaves_the_old_ids(tmp_path):
    np.arange(8, dtype=np.int32).tofile(tmp_path / 'ids')
    with pytest.raises(IndexError):
        remap_ids(tmp_path / 'ids', np.arange(5), block=4)  # the second block holds an id that the table doesn't
    assert np.fromfile(tmp_path / 'ids', np.int32).tolist() == list(range(8)) and names_in(tmp_path) == ['ids']


def test_a_folder_that_can_not_be_synced_is_no_error_and_a_file_is(tmp_path, monkeypatch):
    fsync = os.fsync

    def folders_no(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, 'no')
        fsync(fd)

    monkeypatch.setattr(os, 'fsync', folders_no)
    write_json(tmp_path / 'j', 1)
    monkeypatch.setattr(os, 'fsync', lambda fd: (_ for _ in ()).throw(OSError(errno.EINVAL, 'no')))
    with pytest.raises(OSError, match='no'):
        write_json(tmp_path / 'j', 2)
    assert json.loads((tmp_path / 'j').read_text()) == 1


# --- a directory that was being replaced


@pytest.mark.parametrize('pid', [999_999_999, None])
def test_a_directory_that_was_put_aside_by_a_killed_process_comes_back(pid, tmp_path):
    "In a container each first process has number 1: a part may have the number of this process, and not be its own."
    out, pid = tmp_path / 'model', pid or os.getpid()
    writes_a_directory(out / 'f', b'old')
    for left in (f'.model.{pid}.7.old.part', f'.model.{pid}.8.old.part', f'.model.{pid}.7.part'):
        writes_a_directory(tmp_path / left / 'f', b'other')
    sweep(out)
    assert names_in(tmp_path) == ['model'] and (out / 'f').read_bytes() == b'old'
    out.rename(tmp_path / f'.model.{pid}.7.old.part')
    (tmp_path / f'.model.{pid}.7.part').mkdir()
    sweep(out)
    assert names_in(tmp_path) == ['model'] and (out / 'f').read_bytes() == b'old'


def test_a_directory_that_a_living_process_replaces_is_left_alone(tmp_path):
    (tmp_path / f'.model.{os.getppid()}.7.old.part').mkdir()
    with whole_directory(tmp_path / 'model') as temp:
        with whole_directory(tmp_path / 'model') as second:
            (second / 'f').write_text('second')
        (temp / 'f').write_text('first')
    assert (tmp_path / 'model/f').read_text() == 'first' and names_in(tmp_path) == [f'.model.{os.getppid()}.7.old.part', 'model']


# --- two runs at once


def test_a_second_run_is_told_of_the_first_and_a_killed_one_holds_nothing(undisturbed, tmp_path):
    with start_program('killed_training', 'waits', tmp_path / 'c', 2, 3) as first:
        try:
            assert first.stdout.readline() == 'half-way\n'
            before = (tmp_path / 'c').read_bytes()
            with pytest.raises(BusyError, match=rf'c: another run is under way here, process {first.pid} on .*Wait until.*choose another directory'):
                short_run(None, tmp_path / 'c')
            assert (tmp_path / 'c').read_bytes() == before
            assert same_run(short_run(None, tmp_path / 'other'), undisturbed)
        finally:
            first.kill()
    assert names_in(tmp_path) == ['.c.lock', '.c.owner', '.other.lock', 'c', 'other']
    assert same_run(short_run(None, tmp_path / 'c'), undisturbed)
    assert names_in(tmp_path) == ['.c.lock', '.other.lock', 'c', 'other']


@pytest.mark.parametrize('end', [None, KeyboardInterrupt, FloatingPointError])
def test_a_run_gives_its_checkpoint_back_however_it_ends(end, tmp_path):
    for _ in range(2):
        try:
            with checkpoint_lock(tmp_path / 'work' / 'c'):
                if end:
                    raise end
        except (KeyboardInterrupt, FloatingPointError):
            pass


def test_several_processes_of_one_run_are_one_run(tmp_path, monkeypatch):
    with checkpoint_lock(tmp_path / 'c'):
        monkeypatch.setattr(files, 'rank', lambda: 1)
        with checkpoint_lock(tmp_path / 'c'):
            pass


def test_without_a_checkpoint_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with checkpoint_lock(None), checkpoint_lock(None):
        assert names_in(tmp_path) == []


def test_an_interrupt_between_the_two_renames_loses_nothing(tmp_path, monkeypatch):
    writes_a_directory(tmp_path / 'model/f', b'old')
    real, done = os.replace, []

    def interrupted(a, b):
        real(a, b)
        done.append(a)
        if len(done) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        writes_a_directory(tmp_path / 'model/f', b'new')
    assert names_in(tmp_path) == ['model'] and (tmp_path / 'model/f').read_bytes() == b'old'


def test_a_link_to_a_directory_stays_one(tmp_path):
    writes_a_directory(tmp_path / 'disk/model/f', b'old')
    (tmp_path / 'model').symlink_to(tmp_path / 'disk/model')
    writes_a_directory(tmp_path / 'model/f', b'new')
    assert (tmp_path / 'model').is_symlink() and (tmp_path / 'disk/model/f').read_bytes() == b'new'
    assert names_in(tmp_path) == ['disk', 'model'] and names_in(tmp_path / 'disk') == ['model']


def test_what_another_machine_is_writing_is_left_alone_for_a_day(tmp_path):
    part = tmp_path / '.x.7-01234567.0.part'
    part.write_text('half')
    sweep(tmp_path / 'x')
    assert part.exists()
    os.utime(part, (0, 0))
    sweep(tmp_path / 'x')
    assert not part.exists()


def test_a_part_of_this_process_is_known_by_any_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write(tmp_path / 'x') as temp:
        temp.write_text('whole')
        sweep(Path('x'))
    assert (tmp_path / 'x').read_text() == 'whole'
