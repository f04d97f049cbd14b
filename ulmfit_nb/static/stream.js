// The BPTT stream: which tokens of a corpus each row of a batch reads, and where the row goes on.
import { el, keepDrawn, newSvg, widthOf } from './svg.js';

// Tokens in a line, L of chapter 3: one is kept back, because targets reach one place further.
export function row_length(n_tokens, bs) {
  return Math.floor((n_tokens - 1) / bs);
}

export function even_lengths(row_len, bptt) {
  const full = Math.floor(row_len / bptt), rest = row_len % bptt;
  return [...Array(full).fill(bptt), ...(rest ? [rest] : [])];
}

// Batch k: the places at which its rows begin, the ids that they read (x), and those that they should predict (y).
export function batch_at(ids, bs, bptt, k) {
  const L = row_length(ids.length, bs), length = even_lengths(L, bptt)[k];
  const starts = Array.from({ length: bs }, (_, i) => i * L + k * bptt);
  return { starts, x: starts.map(a => ids.slice(a, a + length)), y: starts.map(a => ids.slice(a + 1, a + length + 1)) };
}

const clamp = (x, high) => Math.min(Math.max(0, x), high);

// Numbers that fit each other: the last batch there is, and a batch, row and column that exist.
export function fit({ n_tokens, bs, bptt, batch, row, col }) {
  const lengths = even_lengths(row_length(n_tokens, bs), bptt), last = lengths.length - 1;
  batch = clamp(batch, last);
  return { last, batch, row: clamp(row, bs - 1), col: clamp(col, lengths[batch] - 1) };
}

// Where a key leads to; null for a key that means nothing here. Past the end of a row, the same row of the next batch.
export function move(key, { n_tokens, bs, bptt, batch, row, col }) {
  const lengths = even_lengths(row_length(n_tokens, bs), bptt), last = lengths.length - 1;
  if (key === 'ArrowRight') return col + 1 < lengths[batch] ? { batch, row, col: col + 1 } : batch < last ? { batch: batch + 1, row, col: 0 } : { batch, row, col };
  if (key === 'ArrowLeft') return col ? { batch, row, col: col - 1 } : batch ? { batch: batch - 1, row, col: lengths[batch - 1] - 1 } : { batch, row, col };
  if (key === 'ArrowUp') return { batch, row: clamp(row - 1, bs - 1), col };
  if (key === 'ArrowDown') return { batch, row: clamp(row + 1, bs - 1), col };
  if (key === 'Home') return { batch, row, col: 0 };
  if (key === 'End') return { batch, row, col: lengths[batch] - 1 };
  return null;
}

// The chosen token in words.
export function describe(ids, words, { bs, bptt, batch, row, col }) {
  const { last } = fit({ n_tokens: ids.length, bs, bptt, batch, row, col }), { starts, x, y } = batch_at(ids, bs, bptt, batch);
  const place = starts[row] + col, quote = id => `“${words[id]}”`, ends = col === x[row].length - 1;
  const where = !ends ? 'the next column' : batch < last ? `where row ${row} goes on in batch ${batch + 1}`
    : row < bs - 1 ? `where row ${row + 1} began in batch 0` : 'the token that was kept back for it';
  return `Chosen: ${quote(x[row][col])}, place ${place} of the stream (batch ${batch}, row ${row}, column ${col}). `
    + `Its target: ${quote(y[row][col])}, place ${place + 1}, ${where}.`;
}

const MARGIN = 10, LABELS = 92, GAP = 26, ROW = 30, NARROWEST = 44;   // of a token's cell: on a phone the frame scrolls
const cut = (text, width) => text.length * 7.2 <= width ? text : `${text.slice(0, Math.max(1, Math.floor(width / 7.2) - 1))}…`;

// The whole stream as one strip: where each row's stretch begins, and what of it this batch and the next one read.
function draw_strip(svg, { ids, words, bs, bptt, batch, row, col, last, wide }) {
  const n = ids.length, L = row_length(n, bs), lengths = even_lengths(L, bptt), top = 42, height = 16;
  const x = place => MARGIN + (wide - 2 * MARGIN) * place / n;
  el(svg, 'text', { x: MARGIN, y: 14, class: 'strong' }, `The stream: ${n} tokens, cut into ${bs} ${bs > 1 ? 'stretches' : 'stretch'} of ${L}`);
  el(svg, 'rect', { x: x(0), y: top, width: x(n) - x(0), height, class: 'rest' });
  for (let i = 0; i < bs; i++) {
    const begins = i * L, at = begins + batch * bptt;
    el(svg, 'rect', { x: x(begins), y: top, width: x(begins + L) - x(begins), height, class: i === row ? 'stretch chosen' : 'stretch' });
    el(svg, 'rect', { x: x(at), y: top, width: x(at + lengths[batch]) - x(at), height, class: 'now', 'data-at': at });
    if (batch < last) el(svg, 'rect', { x: x(at + bptt), y: top, width: x(at + bptt + lengths[batch + 1]) - x(at + bptt), height, class: 'next' });
    el(svg, 'line', { x1: x(begins), x2: x(begins), y1: top - 6, y2: top + height + 6, class: 'axis' });
    el(svg, 'text', { x: x(begins) + 4, y: top - 6, class: i === row ? 'strong small' : 'small' }, `row ${i}`);
  }
  ids.forEach((id, place) => { if (words[id] === 'xxbos') el(svg, 'circle', { cx: x(place + 0.5), cy: top + height + 8, r: 2.5, class: 'dot-text' }); });
  const here = x(row * L + batch * bptt + col + 0.5);
  el(svg, 'path', { d: `M${here},${top + height}l-5,9h10z`, class: 'pointer' });
  el(svg, 'circle', { cx: MARGIN + 4, cy: 78, r: 2.5, class: 'dot-text' });
  el(svg, 'text', { x: MARGIN + 12, y: 82, class: 'faint' }, 'a document begins');
  el(svg, 'path', { d: 'M162,73l-5,9h10z', class: 'pointer' });
  el(svg, 'text', { x: 172, y: 82, class: 'faint' }, 'the chosen token');
  if (wide > 520) el(svg, 'text', { x: wide - MARGIN, y: 82, 'text-anchor': 'end', class: 'faint' }, 'places from 0, left to right');
}

function cell(svg, x, y, width, id, words, kind, more = {}) {
  const group = el(svg, 'g', { class: kind, ...more });
  el(group, 'rect', { x: x + 1, y: y + 1, width: width - 2, height: ROW - 2, rx: 3 });
  el(group, 'text', { x: x + width / 2, y: y + ROW / 2 + 4, 'text-anchor': 'middle' }, cut(words[id], width - 4));
  el(group, 'title', {}, words[id]);
  return group;
}

// The batch as a grid, and beside it the first columns of the next one (or, at the end, the last targets).
function draw_grid(svg, state, choose) {
  const { ids, words, bs, bptt, batch, row, col, last, wide } = state, top = 122;
  const now = batch_at(ids, bs, bptt, batch), length = now.x[0].length;
  const next = batch < last ? batch_at(ids, bs, bptt, batch + 1).x.map(r => r.slice(0, 3)) : now.y.map(r => r.slice(-1));
  const width = Math.min(78, (wide - LABELS - GAP) / (bptt + Math.min(3, bptt))), beside = LABELS + width * length + GAP;
  el(svg, 'text', { x: LABELS + 2, y: top - 10, class: 'strong' }, `batch ${batch}`);
  el(svg, 'text', { x: beside + 2, y: top - 10, class: 'strong' }, batch < last ? `batch ${batch + 1} …` : 'only a target');
  for (let i = 0; i < bs; i++) {
    const y = top + i * ROW, chosen = i === row;
    el(svg, 'text', { x: LABELS - 8, y: y + ROW / 2 + 4, 'text-anchor': 'end', class: chosen ? 'strong' : '' }, `row ${i} (${now.starts[i]})`);
    now.x[i].forEach((id, j) => {
      const kind = chosen && j === col ? 'token x' : chosen && j === col + 1 ? 'token y' : 'token';
      cell(svg, LABELS + j * width, y, width, id, words, kind, { 'data-place': now.starts[i] + j }).addEventListener('click', () => choose(i, j));
    });
    el(svg, 'text', { x: beside - GAP / 2, y: y + ROW / 2 + 5, 'text-anchor': 'middle', class: chosen ? 'strong' : 'faint' }, '→');
    next[i].forEach((id, j) => cell(svg, beside + j * width, y, width, id, words, `token ${batch < last ? 'later' : 'target'} ${chosen && !j && col === length - 1 ? 'y' : ''}`));
  }
  const foot = top + bs * ROW + 20;
  const told = ['In brackets: the place where the row begins in this batch.', 'Thick frame: the chosen token; dashed: its target.'];
  (wide < 700 ? told : [told.join(' ')]).forEach((text, i) => el(svg, 'text', { x: MARGIN, y: foot + 17 * i, class: 'faint' }, text));
  return foot + (wide < 700 ? 25 : 8);
}

const LABEL = 'Tokens of a batch, a line for each row. Arrow keys choose a token; past the end of a row they lead into the next batch.';

function render({ model, el: host }) {
  const frame = document.createElement('div'), says = document.createElement('p');
  host.classList.add('ulmfit-nb');
  Object.assign(frame, { className: 'stream', tabIndex: 0 });
  for (const [key, value] of [['role', 'group'], ['aria-label', LABEL], ['data-lm-suppress-shortcuts', 'true']]) frame.setAttribute(key, value);
  says.setAttribute('role', 'status');
  says.className = 'says';
  host.replaceChildren(frame, says);
  const get = () => {
    const [ids, bs, bptt, batch, row, col] = ['ids', 'bs', 'bptt', 'batch', 'row', 'col'].map(k => model.get(k));
    return { ids, words: model.get('words'), n_tokens: ids.length, bs, bptt, batch, row, col };
  };
  let setting = false;
  const set = values => {
    const changed = Object.entries(values).filter(([key, value]) => model.get(key) !== value);
    if (!changed.length) return;
    setting = true;
    for (const [key, value] of changed) model.set(key, value);
    setting = false;
    model.save_changes();
  };
  const redraw = () => {
    if (setting) return;
    set(fit(get()));
    const at = get(), wide = Math.max(widthOf(frame), Math.ceil(LABELS + GAP + NARROWEST * (at.bptt + Math.min(3, at.bptt))));
    const state = { ...at, last: model.get('last'), wide };
    const svg = newSvg(`Batch ${state.batch} of ${state.bs} rows and ${state.bptt} tokens each, and where its rows lie in the stream`);
    draw_strip(svg, state);
    const height = draw_grid(svg, state, (row, col) => { set({ row, col }); redraw(); });
    svg.setAttribute('viewBox', `0 0 ${wide} ${height}`);
    svg.style.minWidth = `${wide}px`;
    frame.replaceChildren(svg);
    says.textContent = describe(state.ids, state.words, state);
  };
  frame.onkeydown = event => {
    const to = event.ctrlKey || event.altKey || event.metaKey ? null : move(event.key, get());
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    set(to);
    redraw();
  };
  return keepDrawn(model, 'change', frame, redraw);
}

export default { render };
