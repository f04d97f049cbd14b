WRONG = {
    'check_least_found': [
        ('least_found = 0.94', 'share of all tickets'),
        ('least_found = 0', 'some must have been found'),
        ('least_found = 60 / 70', 'may be *missed*'),
        ('least_found = 10', 'of how many'),
        ('least_found = 1.0', 'the best case'),
        ('least_found = 0.5', 'Not 0.5'),
    ],
    'check_threshold_for': [
        ('def threshold_for(p, urgent, share): return np.quantile(p, 1 - share)', 'quantile of all probabilities'),
        ('def threshold_for(p, urgent, share): return p[urgent].min()', 'finds all of them'),
        ('def threshold_for(p, urgent, share): return np.quantile(p[urgent], 1 - share)', 'one too many'),
        ('def threshold_for(p, urgent, share): return np.quantile(p[urgent], 1 - share, method="lower") - 0.001', 'A higher line would do'),
        ('def threshold_for(p, urgent, share): return 0.5', 'were asked for'),
        ('def threshold_for(p, urgent, share): return p[urgent] >= share', 'A threshold is asked for'),
    ],
    'check_leaked_score': [
        (
            """
def leaked_score(model, train, test, k):
    model.fit(train.texts + test.texts[:k], train.labels + test.labels[:k])
    return model.score(test.texts[k:], test.labels[k:]) if k < len(test) else 0.
""",
            'texts that have not leaked',
        ),
        (
            """
def leaked_score(model, train, test, k):
    model.fit(train.texts + test.texts[:k], train.labels + train.labels[:k])
    return model.score(test.texts, test.labels)
""",
            'lost their labels',
        ),
        (
            """
def leaked_score(model, train, test, k):
    model.fit(train.texts + test.texts[:k], train.labels)
    return model.score(test.texts, test.labels)
""",
            'brings its label along',
        ),
        (
            """
def leaked_score(model, train, test, k):
    model.fit(test.texts[:k] or train.texts, test.labels[:k] or train.labels)
    return model.score(test.texts, test.labels)
""",
            'should still be there',
        ),
        (
            """
def leaked_score(model, train, test, k):
    train.texts += test.texts[:k]
    train.labels += test.labels[:k]
    return model.fit(train.texts, train.labels).score(test.texts, test.labels)
""",
            'cannot assign to field',
        ),
        (
            """
def leaked_score(model, train, test, k):
    return model.fit(train.texts + train.texts[:k], train.labels + train.labels[:k]).score(test.texts, test.labels)
""",
            '*test* texts are to leak',
        ),
    ],
    'check_rare_finder': [
        ('def rare_finder(train): return count_words(train)', 'as good as `count_words`'),
        (
            """
def rare_finder(train):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, class_weight='balanced', max_iter=1000))
    return model.fit(train.texts, train.labels)
""",
            '70 % is asked for',
        ),
        (
            """
def rare_finder(train):
    from sklearn.dummy import DummyClassifier
    return DummyClassifier(strategy='constant', constant=0).fit(train.texts, train.labels)
""",
            'always says',
        ),
        (
            """
def rare_finder(train):
    from sklearn.dummy import DummyClassifier
    return DummyClassifier(strategy='constant', constant=1).fit(train.texts, train.labels)
""",
            'never says',
        ),
        ('def rare_finder(train): return count_words', 'Give back a fitted model'),
        ('def rare_finder(train): return count_words(train).predict(train.texts)', 'Give back a fitted model'),
    ],
}
