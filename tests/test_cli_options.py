"The options of commands: what they offer is what the library takes, and each says what it is."

from typing import get_args

from ulmfit_nb import cli_options as options
from ulmfit_nb.onnx_engine import FILES
from ulmfit_nb.precision import PRECISIONS
from ulmfit_nb.settings import PRESETS
from ulmfit_nb.targets import TARGETS


def test_choices_are_those_of_the_library():
    given = {
        options.Preset: PRESETS,
        options.Precision: PRECISIONS,
        options.Target: TARGETS,
        options.Weighting: ['balanced'],
        options.Engine: ['torch', *FILES],
    }
    assert all({choice.value for choice in choices} == set(names) for choices, names in given.items())


def test_every_option_says_what_it_is():
    named = {name: getattr(options, name) for name in options.__all__ if get_args(getattr(options, name))}
    assert len(named) > 25 and all(get_args(option)[1].help for option in named.values())


def test_a_file_is_read_as_was_said():
    assert options.reading(None, None, None) == {'sep': None, 'encoding': None, 'quoting': None}
    assert options.reading(';', 'cp1252', options.Quoting.none) == {'sep': ';', 'encoding': 'cp1252', 'quoting': 'none'}
    assert options.reading('tab', None, None)['sep'] == options.reading(r'\t', None, None)['sep'] == '\t'


def test_advice_is_what_one_types():
    assert options.as_options('give sep=\';\', or quoting="none".') == 'give --sep \';\', or --quoting "none".'
    assert (
        options.as_options("Give label='Label', encoding=\"cp1252\" or target='number'.") == "Give --label 'Label', --encoding \"cp1252\" or --target 'number'."
    )
    assert options.as_options('no column. Name the column of labels.') == 'no column. Name it with --label.'
    assert options.as_options('x.csv: text 5 has no label. text 0 is missing, text 2') == 'x.csv: row 6 has no label. row 1 is missing, text 2'
    assert options.as_options('the rate is lr=3') == 'the rate is lr=3'
    assert options.column(('text',)) == 'text' and options.column(('title', 'body')) == ['title', 'body']


def test_options_go_by_these_names():
    "Those whose names are not their parameters'; a script of somebody's depends on each."
    infos = {name: get_args(getattr(options, name))[1] for name in options.__all__ if get_args(getattr(options, name))}
    assert {name: info.default for name, info in infos.items() if str(info.default).startswith('--')} == {  # where typer keeps it
        'Data': '--data', 'TextCol': '--text', 'AnySplit': '--split', 'Learnt': '--target', 'Weights': '--class-weight', 'Held': '--hold-out',
        'From': '--lm', 'Rows': '--bs', 'Digits': '--precision', 'Quotes': '--quoting', 'Model': '--model', 'Computed': '--engine',
        'Unlabelled': '--data', 'Table': '--out',
    }  # fmt: skip
