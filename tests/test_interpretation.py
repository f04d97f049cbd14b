"Why a network said what it said: every figure against a slow and obvious way to get it."

import numpy as np
import pytest
import torch

from ulmfit_nb.awd_lstm import AWDLSTMConfig, LanguageModel
from ulmfit_nb.batching import LMBatches
from ulmfit_nb.classifier import Classifier, PoolingClassifier, PoolingHead
from ulmfit_nb.interpretation import class_index, contributions, head_slopes, margin, occlusion, plot_words, pooled_parts, pooling_winners, read_text, surprisal
from ulmfit_nb.language_model import evaluate_lm
from ulmfit_nb.tokenization import Tokenizer, Vocab

TEXT = 'The cast was fine. I would NOT see it again, and neither would the zebra: it is sooooo long. ' * 3
VOCAB = Vocab.build([Tokenizer()(TEXT.replace('zebra', 'dog'))], min_freq=1)
TOKENS = Tokenizer()(TEXT)


@pytest.fixture(scope='module')
def lm():
    torch.manual_seed(0)
    return LanguageModel(AWDLSTMConfig(len(VOCAB), emb_sz=12, n_hid=16, n_layers=2))


def shaken(head):
    "Give the batch norms statistics and weights of some training, so that nothing is 0 or 1 by luck."
    for layer in head.layers:
        if isinstance(layer, torch.nn.BatchNorm1d):
            for t, low, high in ((layer.running_mean, -0.3, 0.3), (layer.running_var, 0.2, 2), (layer.weight.data, 0.5, 2), (layer.bias.data, -1, 1)):
                t.uniform_(low, high)
    return head.eval()


@pytest.fixture(scope='module', params=[(2, False), (3, True)], ids=['two classes', 'three, backwards'])
def classifier(request):
    n_class, backwards = request.param
    torch.manual_seed(1)
    model = PoolingClassifier(AWDLSTMConfig(len(VOCAB), emb_sz=10, n_hid=14, n_layers=2), n_class, bptt=7)
    shaken(model.head)
    return Classifier(model, VOCAB, ['a', 'b', 'c'][:n_class], backwards)


@pytest.mark.parametrize('bptt', [1, 7, 500])
def test_surprisal_is_the_loss(lm, bptt):
    loss = evaluate_lm(lm, LMBatches(VOCAB.numericalize(TOKENS), bs=1, bptt=bptt))
    found = surprisal(lm, VOCAB, TEXT)
    assert found.nats.mean() == pytest.approx(loss['valid_loss'], rel=1e-5)
    assert found.perplexity == pytest.approx(loss['perplexity'], rel=1e-5)


def test_surprisal_word_by_word(lm):
    found, ids = surprisal(lm, VOCAB, TEXT, k=4), torch.tensor(VOCAB.numericalize(TOKENS)).long()
    p = lm.eval()(ids[None]).logits[0].softmax(1)
    for i, (token, guesses) in enumerate(zip(found.tokens, found.guesses, strict=True)):
        assert token == TOKENS[i + 1] and found.nats[i] == pytest.approx(-p[i, ids[i + 1]].log().item(), rel=1e-4)
        assert [w for w, _ in guesses] == VOCAB.tokens(p[i].topk(4).indices)
        assert [q for _, q in guesses] == pytest.approx(p[i].topk(4).values.tolist(), rel=1e-4)
    assert [t for t, k in zip(found.tokens, found.known) if not k] == ['zebra'] * 3


def test_surprisal_backwards(lm):
    "Each word is guessed from those after it, and all come back in the order of the text."
    found = surprisal(lm, VOCAB, TEXT, backwards=True)
    loss = evaluate_lm(lm, LMBatches(VOCAB.numericalize(TOKENS), bs=1, bptt=9, backwards=True))['valid_loss']
    assert found.tokens == TOKENS[:-1] and found.nats.mean() == pytest.approx(loss, rel=1e-5)


def test_surprisal_of_the_first_words(lm):
    found = surprisal(lm, VOCAB, TEXT)
    assert found.first(3).tokens == found.tokens[:3] and len(found.first(3).guesses) == len(found.first(3).nats) == 3
    with pytest.raises(ValueError, match='no word'):
        surprisal(lm, VOCAB, '')


def test_features_are_those_that_are_pooled(classifier):
    ids = VOCAB.numericalize(TOKENS)[:: -1 if classifier.backwards else 1].copy()
    pooled = classifier.model(torch.tensor(ids).long()[None], torch.tensor([len(ids)])).pooled[0]
    torch.testing.assert_close(pooled_parts(classifier, TEXT)[0], pooled, atol=1e-6, rtol=1e-5)


def test_winners_by_a_loop(classifier):
    found, features = pooling_winners(classifier, TEXT), read_text(classifier, TEXT).features
    for i, column in enumerate(features.T.tolist()):
        assert column[found.at[i]] == max(column)
    assert found.tokens == TOKENS and found.wins.tolist() == [(found.at == t).sum() for t in range(len(TOKENS))]


@pytest.mark.parametrize('text', ['', 'fine', TEXT])
def test_contributions_add_up(classifier, text):
    for cls in classifier.classes:
        found = contributions(classifier, text, cls)
        logits = torch.from_numpy(classifier.predict_proba([text])).log()[0]
        assert found.start + found.parts.sum() == pytest.approx(found.margin, abs=1e-4)
        assert found.margin == pytest.approx(margin(logits, classifier.classes.index(cls)).item(), abs=1e-4)
    assert sum(contributions(classifier, text, c).margin for c in classifier.classes) == pytest.approx(0, abs=1e-4)


def test_contributions_by_part(classifier):
    "What a part brought is the mean slope times the way its features have gone, whoever they came from."
    found, (pooled, base, _) = contributions(classifier, TEXT), pooled_parts(classifier, TEXT)
    weights = margin(head_slopes(classifier.model.head, pooled, base).T, classifier.classes.index(found.cls))
    assert list(found.by_part().values()) == pytest.approx((weights * (pooled - base)).view(3, -1).sum(1).tolist(), abs=1e-5)
    alone = np.flatnonzero(found.parts[:, 0])
    assert alone.tolist() == [0 if classifier.backwards else len(TOKENS) - 1]
    assert set(np.flatnonzero(found.parts[:, 1])) <= set(pooling_winners(classifier, TEXT).at)


def test_slopes_are_integrated_gradients():
    torch.manual_seed(2)
    head, x, base = shaken(PoolingHead(12, 3, (6,))), torch.randn(12), torch.randn(12)
    path = (base + (torch.arange(4000)[:, None] + 0.5) / 4000 * (x - base)).requires_grad_()
    for k in range(3):
        (gradients,) = torch.autograd.grad(head(path)[:, k].mean(), path)
        torch.testing.assert_close(head_slopes(head, x, base)[k], gradients.sum(0), atol=3e-3, rtol=0)


@pytest.mark.parametrize('hidden', [(), (6,), (8, 5)])
def test_slopes_are_complete(hidden):
    torch.manual_seed(3)
    head, x, base = shaken(PoolingHead(12, 3, hidden, [0.1] * (len(hidden) + 1))), torch.randn(12), torch.randn(12)
    change = head(torch.stack([x, base]))
    torch.testing.assert_close(head_slopes(head, x, base) @ (x - base), change[0] - change[1], atol=1e-5, rtol=1e-4)
    assert head_slopes(head, x, x).isfinite().all()  # nothing changes: the gradient


def test_margin_of_two_classes_is_the_log_odds():
    logits = torch.randn(5, 2)
    p = logits.softmax(1)[:, 1]
    torch.testing.assert_close(margin(logits, 1), (p / (1 - p)).log(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('width, replace', [(1, None), (1, 'xxunk'), (2, None), (3, 'dog')])
def test_occlusion_one_at_a_time(classifier, width, replace):
    text, step = 'The cast was fine, and I would see it.', -1 if classifier.backwards else 1
    found, tokens = occlusion(classifier, text, width=width, replace=replace, bs=3), Tokenizer()(text)

    def verdict(tokens):
        ids = torch.tensor(VOCAB.numericalize(tokens)[::step].copy()).long()
        with torch.no_grad():
            return margin(classifier.model(ids[None], torch.tensor([len(ids)])).logits[0], classifier.classes.index(found.cls)).item()

    fill = [] if replace is None else [replace]
    assert found.tokens == tokens and found.drop[0] == 0 and found.margin == pytest.approx(verdict(tokens), abs=1e-5)
    for i in range(1, len(tokens)):
        without = tokens[:i] + fill * len(tokens[i : i + width]) + tokens[i + width :]
        assert found.drop[i] == pytest.approx(found.margin - verdict(without), abs=1e-4)


def test_the_empty_text(classifier):
    assert occlusion(classifier, '').drop.tolist() == [0] and pooling_winners(classifier, '').wins.tolist() == [10]


@pytest.mark.parametrize('tool', [contributions, occlusion])
def test_an_unknown_class_is_named(classifier, tool):
    with pytest.raises(ValueError, match="'nice' is not among the classes .a, b"):
        tool(classifier, TEXT, 'nice')


def test_models_are_left_as_they_were(classifier, lm):
    before = [p.clone() for m in (classifier.model, lm) for p in m.state_dict().values()]
    for tool in (contributions, occlusion, pooling_winners):
        tool(classifier, TEXT[:60])
    surprisal(lm, VOCAB, TEXT)
    after = [p for m in (classifier.model, lm) for p in m.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after)) and all(p.grad is None for p in lm.parameters())


def test_plot_shows_the_largest_in_the_order_of_the_text():
    ax = plot_words(['a', 'b', 'c', 'd'], [1, -5, 0.5, 3], 'figure', n=3)
    assert [t.get_text() for t in ax.get_yticklabels()] == ['a', 'b', 'd'] and [b.get_width() for b in ax.patches] == [1, -5, 3]


def test_a_number_is_no_class(classifier):
    class Numbers:
        classes = []

    with pytest.raises(ValueError, match='says a number: it has no classes'):
        class_index(Numbers(), None, torch.zeros(1))
