// What every picture here needs: an SVG element, a frame with ticks, numbers short enough for an axis.

export function el(parent, tag, attrs = {}, text = null) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

// A picture, with what it shows in words for those who cannot see it; they may come later.
export function newSvg(label = '') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  return svg;
}

// How wide a picture in this element is laid out: as wide as it is shown, so that its letters keep their size on a phone.
export function widthOf(host) {
  return Math.max(280, Math.min(760, host.clientWidth || 760));
}

// Draw again when that changes; gives what ends the watch.
export function onWidth(host, redraw) {
  let last = widthOf(host);
  const watch = globalThis.ResizeObserver && new ResizeObserver(() => {
    if (widthOf(host) === last) return;
    last = widthOf(host);
    redraw();
  });
  watch?.observe(host);
  return () => watch?.disconnect();
}

// Draw now, and again when some traits of the model change, or the width of an element; gives what ends that.
export function keepDrawn(model, traits, host, draw) {
  model.on(traits, draw);
  draw();
  const still = onWidth(host, draw);
  return () => { still(); model.off(traits, draw); };
}

export function short(x) {
  if (x === 0) return '0';
  if (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e4) return String(Number(x.toPrecision(3)));
  const [digits, power] = x.toExponential(1).split('e');
  return `${Number(digits)}e${Number(power)}`;
}

// The first round number not below x, and a step that divides it into three to six parts.
export function nice(x) {
  const unit = 10 ** Math.floor(Math.log10(x));
  for (const [top, step] of [[1, 0.2], [1.2, 0.2], [1.5, 0.5], [2, 0.5], [2.5, 0.5], [3, 1], [4, 1], [5, 1], [6, 2], [8, 2], [10, 2]])
    if (x <= top * unit * (1 + 1e-9)) return [top * unit, step * unit];
}

export function path(xs, ys) {
  return xs.map((x, i) => `${i ? 'L' : 'M'}${x.toFixed(1)},${ys[i].toFixed(1)}`).join('');
}

// Dark blue to yellow: matplotlib's viridis at nine points, told apart by lightness alone.
const VIRIDIS = ['440154', '472d7b', '3b528b', '2c728e', '21918c', '28ae80', '5ec962', 'addc30', 'fde725']
  .map(h => [0, 2, 4].map(i => parseInt(h.slice(i, i + 2), 16)));

export function viridis(u) {
  const at = Math.min(1, Math.max(0, u)) * (VIRIDIS.length - 1), i = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const rgb = VIRIDIS[i].map((a, k) => Math.round(a + (at - i) * (VIRIDIS[i + 1][k] - a)));
  const light = (0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]) / 255;
  return { fill: `rgb(${rgb})`, ink: light > 0.45 ? '#000' : '#fff' };
}
