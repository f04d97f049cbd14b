// The token microscope: what each rule does to a text, and the tokens and ids that come of it. All of it was
// worked out in Python; here it is only drawn, as text and never as HTML.

const VISIBLE = [['\n', '↵'], ['\t', '⇥'], ['▁', '␣']];   // white space that is a token of its own

function add(parent, tag, attrs = {}, text = null) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

// Backticks mark code.
function prose(parent, text) {
  text.split('`').forEach((part, i) => { if (part) add(parent, i % 2 ? 'code' : 'span', {}, part); });
}

const seen = token => VISIBLE.reduce((text, [space, sign]) => text.replaceAll(space, sign), token);

// A line of text, its changed pieces as <del> or <ins>.
function line(parent, name, pieces, tag) {
  const row = add(parent, 'div', { class: 'line-of-text' });
  add(row, 'b', {}, name);
  const text = add(row, 'span', { class: 'as-written' });
  for (const [piece, changed] of pieces) add(text, changed ? tag : 'span', {}, piece.replaceAll('\n', '↵\n'));
}

function chips(parent, tokens) {
  const list = add(parent, 'ol', { class: 'chips', 'aria-label': 'tokens and their ids' });
  for (const [token, id, kind] of tokens) {
    const chip = add(list, 'li', { class: kind });
    add(chip, 'span', {}, seen(token));
    add(chip, 'small', {}, kind === 'unknown' ? `${id} xxunk` : String(id));
  }
}

function show({ panel, tally, list }, step) {
  panel.replaceChildren();
  prose(add(panel, 'p'), step.what);
  if (step.before.length) line(panel, 'before', step.before, 'del');
  line(panel, step.before.length ? 'after' : 'text', step.after, 'ins');
  tally.textContent = step.count;
  list.replaceChildren();
  chips(list, step.tokens);
}

let count = 0;   // each view's radio buttons need a group name of their own

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb', 'microscope');
  const group = `microscope-${count++}-${Math.random().toString(36).slice(2)}`;
  let radios = [], parts, late;
  const at = () => Math.min(model.get('step'), model.get('steps').length - 1);
  const move = () => {
    radios.forEach((radio, i) => { radio.checked = i === at(); });
    if (radios.length) show(parts, model.get('steps')[at()]);
  };
  const waiting = add(host, 'p', { role: 'status', class: 'waiting' });
  const body = add(host, 'div');
  const draw = () => {
    body.replaceChildren();
    const set = add(body, 'fieldset');
    add(set, 'legend', {}, 'Step');
    radios = model.get('steps').map((step, i) => {
      const label = add(set, 'label', { class: step.changed ? '' : 'idle' });
      // Without the last attribute, and on the button itself, JupyterLab takes the arrow keys.
      const radio = add(label, 'input', { type: 'radio', name: group, value: i, 'data-lm-suppress-shortcuts': 'true' });
      add(label, 'span', {}, step.name);
      radio.onchange = () => { model.set('step', i); model.save_changes(); };
      return radio;
    });
    const region = add(body, 'div', { role: 'region', 'aria-label': 'The text before and after the step chosen, its tokens and their ids' });
    parts = { panel: add(region, 'div'), tally: add(region, 'p', { role: 'status', class: 'count' }), list: add(region, 'div') };
    move();
  };
  // Python answers what is typed. Where there is none, say so in place of showing the wrong text without a word.
  const compare = () => {
    clearTimeout(late);
    waiting.textContent = '';
    if (model.get('typed') === model.get('text')) return;
    late = setTimeout(() => { waiting.textContent = 'The steps below belong to the text before: one of your own needs a running kernel, or a model in the page.'; }, 1500);
  };
  model.on('change:steps', draw);
  model.on('change:step', move);
  model.on('change:typed', compare);
  model.on('change:text', compare);
  draw();
  compare();
  return () => {
    clearTimeout(late);
    model.off('change:steps', draw);
    model.off('change:step', move);
    model.off('change:typed', compare);
    model.off('change:text', compare);
  };
}

export default { render };
