"The record of what stage 2's words are worth, from a tiny language model."

import json

import stage2_words


def test_every_vocabulary_is_tried_on_every_draw(tiny_lm, tmp_path):
    stage2_words.measure(lm=str(tiny_lm), texts=100, labels=20, seeds=2, most=20, out=tmp_path / 'out', results=tmp_path)
    record = json.loads((tmp_path / 'stage2_words_subjectivity.json').read_text())
    rows = {row['name']: row for row in record['rows']}
    assert list(rows) == ['no stage 2', 'their own', 'their own and those it had', 'those of all texts', 'those it had'] and record['told'] == 20
    assert all(len(row['accuracy']) == 2 and all(0 <= a <= 1 for a in row['accuracy']) for row in rows.values())
    assert rows['their own']['unknown'] > rows['those of all texts']['unknown'], 'a hundred sentences have fewer words'
    assert rows['those it had']['words'] == rows['no stage 2']['words'] and rows['those it had']['unknown'] == rows['no stage 2']['unknown']
    both = rows['their own and those it had']
    assert max(rows[n]['words'] for n in ('their own', 'those it had')) < both['words'] and both['unknown'] < rows['their own']['unknown']
