// Forgetting: accuracy and perplexity through training, a line for each plan, with a marker where the slider stands.
import { el, keepDrawn, newSvg, nice, path, widthOf } from './svg.js';

// The groups that learnt in the step before: those of the last phase that began earlier.
export function awake(phases, step) {
  return phases.reduce((found, p) => p.start < step ? p.groups : found, phases[0].groups);
}

// The last measurement by this step, the groups awake, and the perplexity as a multiple of the first.
export function point_at(run, step) {
  const point = run.points.reduce((found, p) => p.step <= step ? p : found, run.points[0]);
  return { ...point, awake: awake(run.phases, point.step), times: point.perplexity / run.points[0].perplexity };
}

export function standard_error(p, n) {
  return Math.sqrt(p * (1 - p) / n);
}

// Numbers 1, 2 and 5 times a power of ten from low to high.
export function log_ticks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const d of [1, 2, 5]) if (d * 10 ** power >= low && d * 10 ** power <= high) found.push(Number(`${d}e${power}`));
  return found;
}

// The tenths of accuracy that the axis goes from and to.
export function tenths(accuracies) {
  return [Math.floor(Math.min(...accuracies) * 10 + 1e-9), Math.ceil(Math.max(...accuracies) * 10 - 1e-9)];
}

// Where the two frames lie in a picture so wide: beside them the readout; in a narrow one below them, and the names of the plans one under the other.
function placed(wide, plans) {
  const narrow = wide < 540, stacked = wide < 740, down = stacked ? 20 * (plans - 1) : 0;
  return { narrow, stacked, left: 70, right: narrow ? wide - 14 : wide - 220, top: [52 + down, 158 + down], bottom: [196 + down, 340 + down] };
}

const percent = p => `${(100 * p).toFixed(1)} %`;
const around = x => x >= 100 ? x.toFixed(0) : x.toFixed(1);

function frame(svg, { left, right }, [top, bottom], ticks, y, words, label) {
  for (const t of ticks) {
    el(svg, 'line', { x1: left, x2: right, y1: y(t), y2: y(t), class: 'grid' });
    el(svg, 'text', { x: left - 8, y: y(t) + 4, 'text-anchor': 'end' }, words(t));
  }
  el(svg, 'line', { x1: left, x2: right, y1: bottom, y2: bottom, class: 'axis' });
  el(svg, 'text', { transform: `translate(16 ${(top + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, label);
}

function lines(svg, runs, shown, key, x, y) {
  const order = [...runs.keys()].filter(i => i !== shown).concat(shown);   // the chosen one on top
  for (const i of order) {
    const points = runs[i].points.filter(p => p[key] !== null);
    el(svg, 'path', { d: path(points.map(p => x(p.step)), points.map(p => y(p[key]))), class: `line plan${i}${i === shown ? ' chosen' : ' aside'}`, 'data-what': key });
  }
}

function legend(svg, runs, shown, { stacked, left }) {
  runs.forEach((run, i) => {
    const x = stacked ? 0 : left + 230 * i, y = stacked ? 20 * i : 0;
    el(svg, 'path', { d: `M${x},${14 + y}h30`, class: `line plan${i}${i === shown ? ' chosen' : ' aside'}` });
    el(svg, 'text', { x: x + 38, y: 18 + y, class: i === shown ? 'strong' : '' }, run.name);
  });
}

// Where the phases of the chosen plan begin, and which group each of them wakes.
function wakings(svg, phases, x, { top, bottom, stacked }) {
  phases.forEach((phase, i) => {
    if (i) el(svg, 'line', { x1: x(phase.start), x2: x(phase.start), y1: top[0], y2: bottom[1], class: 'grid waking' });
    if (phases.length > 1 && !stacked) el(svg, 'text', { x: x(phase.start) + 3, y: top[0] - 6, class: 'faint' }, i ? `+ ${phase.groups[0]}` : phase.groups[0]);
  });
}

function readout(svg, run, valid, at, groups, { narrow, right, bottom }) {
  const down = narrow ? bottom[1] + 4 : bottom[1] - 340, line = (y, text, cls = '', x = left) => el(svg, 'text', { x, y: y + down, class: cls }, text);
  const left = narrow ? 0 : right + 26, next = narrow ? 170 : left;
  line(66, `after step ${at.step}`, 'strong');
  [...groups].reverse().forEach((name, i) => {
    const on = at.step > 0 && at.awake.includes(name), y = 82 + down + 19 * i;
    el(svg, 'rect', { x: left, y, width: 13, height: 13, rx: 2, class: on ? `group plan${run.place}` : 'group frozen', 'data-group': name });
    el(svg, 'text', { x: left + 21, y: y + 11, class: on ? '' : 'faint' }, `${name}${on ? ' learns' : ' frozen'}`);
  });
  const y = narrow ? 66 : Math.max(214, 108 + 19 * groups.length);
  line(y, 'accuracy', '', next);
  line(y + 20, at.accuracy === null ? 'nothing learnt yet' : percent(at.accuracy), 'strong', next);
  if (at.accuracy !== null) line(y + 37, `± ${percent(standard_error(at.accuracy, valid))} (standard error)`, 'faint', next);
  line(y + 70, 'perplexity', '', next);
  line(y + 90, around(at.perplexity), 'strong', next);
  line(y + 107, `${at.times.toFixed(2)} times that before`, 'faint', next);
  return narrow ? down + 66 + Math.max(112, 36 + 19 * groups.length) : 388 + down;
}

function draw(svg, runs, shown, at, place) {
  const points = runs.flatMap(r => r.points), last = Math.max(1, ...points.map(p => p.step));
  const right = points.filter(p => p.accuracy !== null).map(p => p.accuracy), perplexities = points.map(p => p.perplexity);
  const [a, b] = right.length ? tenths(right) : [0, 10], [low, high] = [Math.min(...perplexities) / 1.15, Math.max(...perplexities) * 1.15];
  const { left, right: end, top, bottom } = place, x = step => left + (end - left) * step / last;
  const y = acc => top[1] - (top[1] - top[0]) * (10 * acc - a) / Math.max(1, b - a);
  const z = p => bottom[1] - (bottom[1] - bottom[0]) * Math.log(p / low) / Math.log(high / low);
  legend(svg, runs, shown, place);
  wakings(svg, runs[shown].phases, x, place);
  frame(svg, place, top, Array.from({ length: b - a + 1 }, (_, i) => (a + i) / 10), y, t => `${Math.round(100 * t)} %`, 'accuracy');
  frame(svg, place, bottom, log_ticks(low, high), z, String, 'perplexity');
  const each = Math.max(1, nice(last)[1]);
  for (let t = 0; t <= last; t += each) el(svg, 'text', { x: x(t), y: bottom[1] + 19, 'text-anchor': 'middle' }, t);
  el(svg, 'text', { x: (left + end) / 2, y: bottom[1] + 42, 'text-anchor': 'middle' }, 'step of training (batches of labelled texts)');
  lines(svg, runs, shown, 'accuracy', x, y);
  lines(svg, runs, shown, 'perplexity', x, z);
  el(svg, 'line', { x1: x(at.step), x2: x(at.step), y1: top[0], y2: bottom[1], class: 'axis now' });
  if (at.accuracy !== null) el(svg, 'circle', { cx: x(at.step), cy: y(at.accuracy), r: 6, class: `marker plan${shown}`, 'data-what': 'accuracy' });
  el(svg, 'circle', { cx: x(at.step), cy: z(at.perplexity), r: 6, class: `marker plan${shown}`, 'data-what': 'perplexity' });
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  const redraw = () => {
    const runs = model.get('runs'), shown = Math.min(model.get('shown') ?? 0, runs.length - 1), run = runs[shown];
    const step = run.points[Math.min(model.get('at'), run.points.length - 1)].step, at = point_at(run, step);
    const groups = run.phases[run.phases.length - 1].groups, valid = model.get('valid');
    const svg = newSvg(`${run.name}, after step ${at.step}: ${at.accuracy === null ? '' : `accuracy ${percent(at.accuracy)}, `}`
      + `perplexity ${around(at.perplexity)}, ${at.times.toFixed(2)} times that before`);
    const wide = widthOf(host), place = placed(wide, runs.length);
    draw(svg, runs, shown, at, place);
    svg.setAttribute('viewBox', `0 0 ${wide} ${readout(svg, { ...run, place: shown }, valid, at, groups, place)}`);
    host.replaceChildren(svg);
  };
  return keepDrawn(model, 'change', host, redraw);
}

export default { render };
