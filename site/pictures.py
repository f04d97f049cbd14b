"""A plain picture of each widget that a notebook has stored, for readers whose browser runs no scripts: drawn by a headless Chromium from the stored state,
into nbs/images/widgets, with pictures.json, which holds for each a text that stands for it and the digest of what was drawn. Draws only what has changed;
a notebook that has moved keeps its pictures, and widgets that were stored on another day get today's code first."""

import json
import shutil
import sys
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from pathlib import Path

import nbformat
from notebooks import NBS, ROOT, modules_of, read
from PIL import Image
from widget_pages import PICTURES, STORED, Stored, class_of, page_name, texts_of_pictures, widgets_of

sys.path.insert(0, str(ROOT / 'tests'))
LARGEST = 60_000  # bytes
CARD = PICTURES.parent / 'card.png'
PAGE = """<!doctype html><meta charset="utf-8"><style>body {{ font: 16px/1.5 "Liberation Sans", Arial, sans-serif; margin: 0; background: #fff; color: #222 }}
.static-widget {{ width: 760px; padding: 4px }} .control {{ display: flex; gap: 12px }} .control > span {{ flex: 0 0 230px }}
.control input[type=range] {{ flex: 0 1 300px }} textarea {{ flex: 1; font: inherit }} fieldset.control {{ border: 0; padding: 0 }}</style>
<div class="static-widget" id="{name}"><script type="application/json">{data}</script></div><script>{player}</script>"""
# What a picture shows, in its own words; how to move it is left out.
TOLD = """() => {
    const labels = [...document.querySelectorAll('.ulmfit-nb svg[aria-label], .ulmfit-nb [role=region][aria-label]')].map(e => e.getAttribute('aria-label'));
    const figures = [...document.querySelectorAll('.ulmfit-nb .figures')].map(e => e.innerText);
    return [...labels.flatMap(t => t.split(/(?<=[.]) /)).filter(t => !/arrow keys/i.test(t)), ...figures]
        .map(t => t.replace(/\\s+/g, ' ').trim().replace(/([^.])$/, '$1.')).join(' ');
}"""


def page_of(widget: Stored) -> str:
    "A page with one widget on it, drawn as on the site. Captions are left out: they stand beside the picture as text."
    data = json.loads(widget.data())
    for model in data['models'].values():
        if model['name'] == 'VBoxModel':
            model['state']['children'] = [c for c in model['state']['children'] if data['models'][c.removeprefix('IPY_MODEL_')]['name'] != 'HTMLModel']
    return page_with(widget.name, data)


def page_with(name: str, data: dict) -> str:
    "A page that draws a widget from what it has stored."
    text = json.dumps(data).replace('<', '\\u003c')
    return PAGE.format(name=name, data=text, player=(ROOT / 'site/player.js').read_text(encoding='utf-8'))


def wanted() -> list[Stored]:
    "The widgets to have a picture: all but questions and texts."
    return [w for p in NBS for ws in widgets_of(read(p), page_name(p)).values() for w in ws if w.classes and not w.question]


def small(path: Path):
    "As few colours as a picture needs to stay small."
    drawn = Image.open(path).convert('RGB')
    for colours in (256, 128, 64, 32):
        drawn.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= LARGEST:
            return
    raise ValueError(f'{path.name} has {path.stat().st_size:,} bytes, and should have {LARGEST:,} at most')


def drawable(widget: Stored) -> Stored:
    "A widget that needs Python, without the parts that only Python moves: what it shows. Curves that have not begun are left out."
    if not widget.lives:
        shown = [i for i in widget.ids if widget.models[i]['model_name'] == 'AnyModel' and 'curves' not in widget.models[i]['state']]
        widget.models[widget.root]['state'] = {'children': [f'IPY_MODEL_{i}' for i in shown]}
        widget.models = {i: widget.models[i] for i in (widget.root, *shown)}
        widget.ids = [widget.root, *shown]
    return widget


@cache
def modules() -> list:
    "Those that widgets are built in."
    return [import_module(f'ulmfit_nb.{m}') for p in NBS for m in modules_of(read(p)) if 'widgets' in m]


def class_named(name: str) -> type:
    "A widget of ours."
    return next(getattr(m, name) for m in modules() if hasattr(m, name))


def draw(page, widget: Stored) -> dict:
    "Draw a widget; the text that stands for its picture."
    errors, file = [], PICTURES / f'{widget.name}.png'
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.set_content(page_of(drawable(widget)))
    page.wait_for_function("() => document.querySelector('.static-widget').dataset.drawn !== 'soon'")
    page.wait_for_timeout(150)
    if errors:
        raise RuntimeError(f'{widget.name}: {errors}')
    page.locator('.static-widget').screenshot(path=file)
    small(file)
    what = ' '.join(dict.fromkeys(class_named(name).__doc__ for name in widget.classes))
    return {'alt': f'{what} {page.evaluate(TOLD)}'.strip()[:400]}


def up_to_date(name: str, digest: str, known: dict, folder: Path = PICTURES) -> bool:
    "Whether there is a picture of what is to be drawn; one that has it under another name is taken."
    there = [n for n, k in known.items() if k['digest'] == digest and (folder / f'{n}.png').exists()]
    if there and name not in there:
        shutil.copy(folder / f'{there[0]}.png', folder / f'{name}.png')
        known[name] = known[there[0]]
    return bool(there)


def renew(nb) -> bool:
    "Give the widgets that a notebook has stored today's code and style, so that no chapter has to run again for them; whether any was of another day."
    old = False
    for model in nb['metadata'].get('widgets', {}).get(STORED, {}).get('state', {}).values():
        if name := class_of(model):
            cls = class_named(name)
            today = {'_esm': str(cls._esm), '_css': str(cls._css)}
            old = old or any(model['state'][k] != v for k, v in today.items())
            model['state'] |= today
    return old


def draw_card(browser, widget: Stored):
    "The picture that other sites show beside a link to this one: the slider where film reviews have been read."
    data = json.loads(widget.data())
    state = next(m['state'] for m in data['models'].values() if m['name'] == 'AnyModel')
    state['at'] = next(i for i, point in enumerate(state['points']) if point['stage'] == 'film')
    wide = '<style>.static-widget { width: 1110px !important; padding: 0 40px !important } h1 { margin: 16px 40px 8px }</style><h1>ulmfit_nb</h1>'
    with browser.new_page(viewport={'width': 1200, 'height': 630}) as page:
        page.set_content(wide + page_with(widget.name, data))
        page.wait_for_function("() => document.querySelector('.static-widget').dataset.drawn !== 'soon'")
        page.wait_for_timeout(150)
        page.screenshot(path=CARD)
    small(CARD)


def main():
    from browser import browser_path, chromium

    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in NBS:
        if renew(nb := read(path)):
            path.write_text(nbformat.writes(nb).rstrip('\n') + '\n', encoding='utf-8')
    known, shown = texts_of_pictures(), wanted()
    digests = {w.name: w.digest() for w in shown}
    stale = [w for w in shown if not up_to_date(w.name, digests[w.name], known)]
    with chromium(browser_path()) if stale else nullcontext() as browser:
        for widget in stale:
            with browser.new_page(viewport={'width': 780, 'height': 600}) as page:
                known[widget.name] = draw(page, widget) | {'digest': digests[widget.name]}
                print(widget.name)
            if widget.classes == ['ThreeStages'] and widget.name.startswith('index'):
                draw_card(browser, widget)
    for file in PICTURES.glob('*.png'):
        if file.stem not in digests:
            file.unlink()
    text = json.dumps({name: known[name] for name in sorted(digests)}, indent=1, ensure_ascii=False)
    (PICTURES / 'pictures.json').write_text(text + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
