"Work handed to other processes without `if __name__ == '__main__':`, which each of them would begin again."

from ulmfit_nb.tokenization import Tokenizer

list(Tokenizer().map(['a'], workers=1))
