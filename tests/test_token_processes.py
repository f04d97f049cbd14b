"Texts shared among processes: the order stays, and a worker has no threads from before. (What `Tokenizer.map` promises of them, test_tokenization asks.)"

from ulmfit_nb.token_processes import clean_start, map_texts
from ulmfit_nb.tokenization import Tokenizer


def test_workers_are_no_copies_of_a_process_with_threads():
    assert clean_start().get_start_method() in ('forkserver', 'spawn')


def test_pieces_and_language_go_to_the_workers():
    tokenizer = Tokenizer(lang='xx', pieces={'film': -1.0, 'ed': -2.0, **dict.fromkeys('filmed', -9.0)})
    texts = ['filmed Films.'] * 3 + ['filme']
    assert list(map_texts(tokenizer, texts, 1, False)) == [tokenizer(t) for t in texts]
    assert tokenizer(texts[0]) == 'xxbos film ##ed xxmaj film ##s .'.split()
