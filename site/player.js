// Draws the widgets that a notebook has stored on a page where there is no Python: each from its own ES module and its stored traits. The controls
// beside them become the browser's own, joined by the stored links. Nothing is fetched from elsewhere; on a click, a model from this site. On every page it
// ticks the pages whose question was answered, and keeps the indent of code.
(() => {
  const CONTROLS = ['IntSliderModel', 'FloatSliderModel', 'FloatLogSliderModel', 'SelectionSliderModel'];
  const FILES = document.currentScript?.src ? new URL('model/', document.currentScript.src).href : null;   // where a model lies, to be loaded on a click
  let count = 0;   // each group of radio buttons needs a name of its own

  function make(parent, tag, attrs = {}, text = null) {
    const node = Object.assign(document.createElement(tag), attrs);
    if (text !== null) node.textContent = text;
    parent.append(node);
    return node;
  }

  // What a widget's code asks of its model.
  function model_of(state) {
    const watching = {};
    const names = text => (text ?? '').split(' ').filter(Boolean);
    const tell = name => { for (const f of [...watching[name] ?? []]) f(); };
    return {
      get: key => state[key],
      set(key, value) {   // one trait, or several at once
        const given = typeof key === 'string' ? { [key]: value } : key, changed = Object.keys(given).filter(k => state[k] !== given[k]);
        Object.assign(state, given);
        for (const k of changed) tell(`change:${k}`);
        if (changed.length) tell('change');
      },
      on(text, f) { for (const name of names(text)) (watching[name] ??= new Set()).add(f); },
      off(text, f) { for (const name of text ? names(text) : Object.keys(watching)) f ? watching[name]?.delete(f) : delete watching[name]; },
      save_changes() {},
      send() {},
    };
  }

  // A number as Python's format would show it: 'd', '.2f', '.2g'.
  function shown(x, format = '.2f') {
    const [, digits, kind] = format.match(/(?:\.(\d+))?([dfg])/) ?? [null, '2', 'f'];
    return kind === 'd' ? String(Math.round(x)) : kind === 'f' ? x.toFixed(digits) : String(Number(x.toPrecision(digits)));
  }

  function slider(parent, model, name) {
    const row = make(parent, 'label', { className: 'control widget-slider' });
    make(row, 'span', {}, model.get('description'));
    const input = make(row, 'input', { type: 'range' }), said = make(row, 'output');
    const labels = model.get('_options_labels'), base = name === 'FloatLogSliderModel' ? model.get('base') : null;
    const key = labels ? 'index' : 'value';
    const place = () => {
      const limits = labels ? { min: 0, max: labels.length - 1, step: 1 } : { min: model.get('min'), max: model.get('max'), step: model.get('step') };
      Object.assign(input, limits);
      input.value = base ? Math.log(model.get(key)) / Math.log(base) : model.get(key);
      said.textContent = labels ? labels[model.get(key)] : shown(model.get(key), model.get('readout_format'));
      input.setAttribute('aria-valuetext', said.textContent);
    };
    input.oninput = () => model.set(key, base ? base ** Number(input.value) : Number(input.value));
    model.on('change', place);
    place();
  }

  function radios(parent, model) {
    const set = make(parent, 'fieldset', { className: 'control widget-radio' }), group = `static-${count++}`;
    make(set, 'legend', {}, model.get('description'));
    const inputs = model.get('_options_labels').map((text, i) => {
      const label = make(set, 'label'), input = make(label, 'input', { type: 'radio', name: group, checked: i === model.get('index') });
      label.append(` ${text}`);
      input.onchange = () => model.set('index', i);
      return input;
    });
    model.on('change:index', () => inputs.forEach((input, i) => { input.checked = i === model.get('index'); }));
  }

  function textarea(parent, model) {
    const row = make(parent, 'label', { className: 'control' });
    make(row, 'span', {}, model.get('description'));
    const area = make(row, 'textarea', { rows: 3, value: model.get('value') });
    area.oninput = () => model.set('value', area.value);
  }

  const modules = new Map(), styled = new Set();   // a module or a style sheet that many widgets share is read once

  function style(css) {
    if (!css || styled.has(css)) return;
    styled.add(css);
    make(document.head, 'style', {}, css);
  }

  function load(code) {
    if (!modules.has(code)) modules.set(code, import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))));
    return modules.get(code);
  }

  async function picture(parent, model) {
    const el = make(parent, 'div');
    style(model.get('_css'));
    const found = (await load(model.get('_esm'))).default, widget = typeof found === 'function' ? await found() : found;
    await widget.initialize?.({ model });
    await widget.render({ model, el });
  }

  async function draw(parent, id, models) {
    const { name, model } = models[id];
    if (name === 'VBoxModel') {   // its class and that of the controls are ipywidgets' own, by which widgets.css lays them out
      const box = make(parent, 'div', { className: 'widget-vbox' });
      for (const child of model.get('children')) await draw(box, child.slice('IPY_MODEL_'.length), models);
    }
    else if (name === 'HTMLModel') make(parent, 'div', { innerHTML: model.get('value') });   // the course's own captions
    else if (name === 'RadioButtonsModel') radios(parent, model);
    else if (name === 'TextareaModel') textarea(parent, model);
    else if (CONTROLS.includes(name)) slider(parent, model, name);
    else if (name === 'AnyModel') await picture(parent, model);
    else throw new Error(`no way to draw a ${name}`);
  }

  function join(models) {
    const end = ([id, trait]) => [models[id.slice('IPY_MODEL_'.length)].model, trait];
    for (const { name, model } of Object.values(models)) {
      if (!name.endsWith('LinkModel')) continue;
      const [a, x] = end(model.get('source')), [b, y] = end(model.get('target'));
      a.on(`change:${x}`, () => b.set(y, a.get(x)));
      if (name === 'LinkModel') b.on(`change:${y}`, () => a.set(x, b.get(y)));
    }
  }

  // A widget that Python would answer gets a button that loads a model into the page, which answers in its place.
  function offer(host, model) {
    const { answers: kind, model: name, megabytes } = host.dataset, row = make(host, 'div', { className: 'page-model' });
    host.querySelector('.stage .ulmfit-nb').after(row);   // above the caption: on a phone that is a screen of text
    const again = text => {
      const button = make(row, 'button', { type: 'button' }, `Try a text of your own: load a model into this page (${megabytes} MB)`);
      if (text) make(row, 'p', {}, text);
      button.onclick = async () => {
        button.disabled = true;
        try {
          const said = await (await import(`${FILES}page.js`)).start(row, { files: FILES, name, kind, model, megabytes });
          if (said) { row.replaceChildren(); again(said); }
        } catch {
          row.replaceChildren();
          again('The code of the model did not come. Is there a connection? Try again.');
        }
      };
    };
    again('');
  }

  async function play(host) {
    if (host.dataset.drawn) return;
    host.dataset.drawn = 'soon';
    const { root, models: stored } = JSON.parse(host.querySelector('script').textContent);
    const models = Object.fromEntries(Object.entries(stored).map(([id, { name, state }]) => [id, { name, model: model_of(state) }]));
    const stage = make(host, 'div', { className: 'stage' });
    try {
      join(models);
      await draw(stage, root, models);
      host.dataset.drawn = 'yes';
      for (const { model } of Object.values(models)) model.on('change:chosen', remember);
      if (FILES && host.dataset.answers) offer(host, Object.values(models).find(m => m.name === 'AnyModel').model);
    } catch (error) {   // an old browser: the picture does instead
      host.dataset.drawn = 'no';
      stage.innerHTML = document.getElementById(`${host.id}-still`)?.textContent ?? '';
      throw error;
    }
  }

  // Which questions were answered is kept by this browser alone; the sidebar ticks their pages.
  const KEPT = 'ulmfit_nb answered', bare = path => path.replace(/index\.html$/, '');
  function answered() {
    try { return new Set(JSON.parse(localStorage.getItem(KEPT)) ?? []); } catch { return new Set(); }   // none on a page that may keep nothing
  }
  function remember() {
    try { localStorage.setItem(KEPT, JSON.stringify([...answered().add(bare(location.pathname))])); } catch { /* as above */ }
    tick();
  }
  function tick() {
    const known = answered();
    for (const link of document.querySelectorAll('#quarto-sidebar a[href]')) {
      if (!known.has(bare(link.pathname)) || link.querySelector('.answered')) continue;
      make(link, 'span', { className: 'answered', title: 'you have answered its question' }, ' ✓').setAttribute('aria-label', ', question answered');
    }
  }

  // Where a line of code is wrapped it goes on under its own beginning.
  function indent() {
    for (const line of document.querySelectorAll('pre.sourceCode code > span')) {
      const blanks = line.textContent.match(/^ */)[0].length + 2;
      Object.assign(line.style, { paddingLeft: `${blanks}ch`, textIndent: `-${blanks}ch` });
    }
  }

  const all = () => {
    document.querySelectorAll('.static-widget').forEach(play);
    tick();
    indent();
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', all); else all();
})();
