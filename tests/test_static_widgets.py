"""On a static page there is no Python: what a notebook has stored must be enough for its widgets to draw and to move. Here a page plays the part of the
widget manager: it gives each stored widget its stored numbers, and moves whatever a stored slider is linked to."""

import base64

import pytest
from browser import browser_path, chromium
from notebooks import NBS, read

STORED = 'application/vnd.jupyter.widget-state+json'
# A widget on its own: draws, then takes each [trait, value] in turn; the pictures and the errors there were.
PLAY = """async ({ code, state, moves }) => {
    const errors = [], seen = [], watching = {}, host = document.createElement('div');
    window.onerror = m => errors.push(String(m));
    document.body.replaceChildren(host);
    const model = {
        get: k => state[k], save_changes() {}, send() {},
        set(k, v) { state[k] = v; for (const name of [`change:${k}`, 'change']) for (const f of watching[name] ?? []) f(); },
        on(names, f) { for (const n of names.split(' ')) (watching[n] ??= new Set()).add(f); },
        off(names, f) { for (const n of (names ?? '').split(' ')) f ? watching[n]?.delete(f) : delete watching[n]; },
    };
    const look = () => host.innerHTML + [...host.querySelectorAll('input, select')].map(e => `${e.value}${e.checked}`).join();
    const pause = () => new Promise(done => setTimeout(done, 60));
    try {
        const module = (await import(code)).default, widget = typeof module === 'function' ? await module() : module;
        await widget.initialize?.({ model });
        await widget.render({ model, el: host });
        await pause();
        const drawn = { words: host.innerText.trim().length, shapes: host.querySelectorAll('svg *, input, button, span').length };
        for (const [trait, value] of moves) { const before = look(); model.set(trait, value); await pause(); seen.push([trait, look() !== before]); }
        return { drawn, seen, errors };
    } catch (e) { return { drawn: {}, seen, errors: [...errors, String(e.stack ?? e)] }; }
}"""


def stored(path) -> dict:
    "The widgets' models that a notebook has stored, by id."
    return read(path).metadata.get('widgets', {}).get(STORED, {}).get('state', {})


def moved(control: dict):
    "A value to which a slider, a box or a choice could be moved."
    if 'max' in control:
        value, low, high = (control[k] for k in ('value', 'min', 'max'))
        low, high = (10**low, 10**high) if 'base' in control else (low, high)
        return high if value != high else low
    if '_options_labels' in control:
        return (control['index'] + 1) % len(control['_options_labels'])
    return not control['value'] if isinstance(control.get('value'), bool) else None


def moves_of(models: dict, target: str) -> list:
    "What the stored links would set in a widget."
    out = []
    for link in models.values():
        if link['model_name'] not in ('LinkModel', 'DirectionalLinkModel'):
            continue
        (source, _), (to, trait) = link['state']['source'], link['state']['target']
        if to.removeprefix('IPY_MODEL_') == target:
            value = moved(models[source.removeprefix('IPY_MODEL_')]['state'])
            if value is not None:
                out.append([trait, value])
    return out


WIDGETS = [
    pytest.param(path, id_, id=f'{path.stem}-{i}-{m["state"].get("_anywidget_id", "").rpartition(".")[2]}')
    for path in NBS
    for i, (id_, m) in enumerate((k, v) for k, v in stored(path).items() if '_esm' in v['state'])
]


@pytest.fixture(scope='module')
def page():
    path = browser_path()
    if path is None:
        pytest.skip('no browser: tests/test_browser.py says how to get one, and fails for it in CI')
    with chromium(path) as browser, browser.new_page() as page:
        yield page


@pytest.mark.parametrize('path, id_', WIDGETS)
def test_a_stored_widget_draws_and_moves(page, path, id_):
    models = stored(path)
    state = dict(models[id_]['state'])
    code = 'data:text/javascript;base64,' + base64.b64encode(state.pop('_esm').encode()).decode()
    found = page.evaluate(PLAY, {'code': code, 'state': state, 'moves': moves_of(models, id_)})
    assert found['errors'] == []
    assert found['drawn']['words'] > 0 and found['drawn']['shapes'] > 0
    assert [trait for trait, changed in found['seen'] if not changed] == []


def test_links_are_found():
    "The explorer of chapter 7 has seven sliders; a test that finds no links would say nothing."
    path = next(p for p in NBS if p.stem == '07_schedules')
    models = stored(path)
    assert sum(len(moves_of(models, id_)) for id_, m in models.items() if '_esm' in m['state']) == 7
