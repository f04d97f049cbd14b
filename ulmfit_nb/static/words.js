// A text as a row of words to look at one by one, with the mouse or the arrow keys: what surprisal.js and pooling.js share.

export function node(parent, tag, attrs = {}, text = null) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}

// JupyterLab's shortcuts (x cuts a cell, an arrow leaves it) are not meant for what has the focus here. It looks for this on the element itself.
export const OWN_KEYS = { 'data-lm-suppress-shortcuts': 'true' };

let groups = 0;   // radio buttons of one widget need a name of their own

// Native radio buttons: Tab reaches them, the arrow keys choose.
export function radios(parent, legend, names, pick) {
  const set = node(parent, 'fieldset', { class: 'choice' }), group = `choice-${groups++}-${Math.random().toString(36).slice(2)}`;
  node(set, 'legend', {}, legend);
  const inputs = names.map((name, i) => {
    const label = node(set, 'label'), input = node(label, 'input', { type: 'radio', name: group, value: i, ...OWN_KEYS });
    label.append(name);
    input.onchange = () => pick(i);
    return input;
  });
  return chosen => inputs.forEach((input, i) => { input.checked = i === chosen; });
}

export const MARKS = /^xx(?!unk$)/;   // what the tokenizer writes for capitals, repeats, beginnings

export const BLUE = [42, 143, 216], ORANGE = [224, 123, 0];

// A colour laid over the page, so that it is as readable on a dark page as on a light one: u from 0, nothing, to 1.
export function tint(u, rgb = BLUE) {
  return `rgba(${rgb}, ${(0.72 * Math.min(1, Math.max(0, u))).toFixed(3)})`;
}

// Blue above zero, orange below, at full strength from `top` on.
export function signed(x, top) {
  return tint(Math.abs(x) / top, x < 0 ? ORANGE : BLUE);
}

// White space shows as ▁ in tokens; a line break is a mark, not a gap.
export const visible = token => token.replaceAll('\n', '↵');

// The words, one stop of the Tab key; arrows, Home and End move among them. `look(i)` is told which is looked at.
export function wordRow(parent, tokens, label, look) {
  const row = node(parent, 'div', { class: 'words', role: 'listbox', 'aria-label': label, 'aria-orientation': 'horizontal' });
  let at = 0;
  const spans = tokens.map((token, i) => {
    const span = node(row, 'span', { role: 'option', tabindex: -1, class: MARKS.test(token) ? 'word mark' : 'word', ...OWN_KEYS }, visible(token));
    span.onmouseenter = () => look(i);
    span.onfocus = () => { mark(i); look(i); };
    row.append(' ');
    return span;
  });
  const mark = i => {
    spans[at].tabIndex = -1;
    spans[at].setAttribute('aria-selected', 'false');
    at = i;
    spans[at].tabIndex = 0;
    spans[at].setAttribute('aria-selected', 'true');
  };
  row.onmouseleave = () => look(at);
  row.onkeydown = event => {
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: spans.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    spans[Math.min(spans.length - 1, Math.max(0, to))].focus();
  };
  if (spans.length) mark(0);
  return { spans, mark };
}

// From one colour to another, with a line of text at each end.
export function scaleBar(parent, stops, low, high) {
  const bar = node(parent, 'div', { class: 'scale', 'aria-hidden': 'true' });
  node(bar, 'span', {}, low);
  node(bar, 'span', { class: 'bar', style: `background: linear-gradient(to right, ${stops.join(', ')})` });
  node(bar, 'span', {}, high);
}

