"Running the widgets' JavaScript outside a browser."

import json
import os
import re
import shutil
import subprocess

import pytest


def run_js(code: str):
    "What a module prints, read as JSON. Without node there is nothing to run: a failure in CI, a skip elsewhere."
    if not (node := shutil.which('node')):
        missing = pytest.fail if os.environ.get('CI') == 'true' else pytest.skip
        missing('node is not installed, so the JavaScript of the widget cannot be run')
    done = subprocess.run([node, '--input-type=module'], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def call_js(code: str, calls: list) -> list:
    "What the functions that a module exports answer to (name, arguments) calls."
    names = ', '.join(sorted(set(re.findall(r'^export function (\w+)', code, re.MULTILINE))))
    call = f'{json.dumps(calls)}.map(([f, args]) => known[f](...args))'
    return run_js(f'{code}\nconst known = {{ {names} }};\nconsole.log(JSON.stringify({call}));')


# A page just good enough to draw on: elements with attributes, text, children and handlers.
PAGE = """
class Node {
  constructor(tag) { Object.assign(this, { tag, kids: [], at: {}, style: {}, classes: new Set(), said: '' });
    this.classList = { add: c => this.classes.add(c), toggle: (c, on) => on ? this.classes.add(c) : this.classes.delete(c) }; }
  setAttribute(k, v) { this.at[k] = String(v); }
  append(...kids) { this.kids.push(...kids); }
  replaceChildren(...kids) { this.kids = kids; }
  focus() { globalThis.focused = this; this.onfocus?.(); }
  set tabIndex(i) { this.at.tabindex = String(i); }
  get tabIndex() { return Number(this.at.tabindex); }
  set textContent(t) { this.kids = [String(t)]; }
  get textContent() { return this.kids.map(k => typeof k === 'string' ? k : k.textContent).join(''); }
  all(tag) { return this.kids.flatMap(k => typeof k === 'string' ? [] : [...(k.tag === tag ? [k] : []), ...k.all(tag)]); }
}
globalThis.document = { createElement: t => new Node(t), createElementNS: (_, t) => new Node(t) };
const state = STATE, watching = {};
const model = { get: k => state[k], set: (k, v) => { state[k] = v; 
    for (const e of Object.keys(watching)) if (e.split(' ').includes(`change:${k}`)) watching[e](); },
  save_changes() {}, on: (e, f) => { watching[e] = f; }, off() {} };
const host = new Node('div');
"""


def page(module, view, traits, then):
    "A widget drawn on that page with the traits of `view`; then code that looks at it and prints JSON."
    state = {t: getattr(view, t) for t in traits}
    return run_js(
        f'{module.replace("export default", "const made =")}\n{PAGE.replace("STATE", json.dumps(state))}\nmade.render({{ model, el: host }});\n{then}'
    )


# What the views of a text have in common: its words, the choices above them, and the row that holds the words.
PARTS = (
    "const words = host.all('span').filter(s => s.at.role === 'option'), radio = host.all('input'), row = host.all('div').find(d => d.at.role === 'listbox');\n"
)
