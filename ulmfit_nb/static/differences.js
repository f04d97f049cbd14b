// What changed from one text to another, as Python's difflib finds it: the longest run that both have, then the same to its left and to its right.
import { fromPython } from './tokenizer.js';

const PIECES = fromPython('\\w+|\\s|[^\\w\\s]');

// The longest run that a[low..high) and b[from..to) have in common, of equals the first: [where in a, where in b, how long].
function longestRun(a, places, [low, high, from, to]) {
  let best = [low, from, 0], lengths = new Map();   // place in b → length of the run that ends there
  for (let i = low; i < high; i++) {
    const now = new Map();
    for (const j of places.get(a[i]) ?? []) {
      if (j < from || j >= to) continue;
      const n = (lengths.get(j - 1) ?? 0) + 1;
      now.set(j, n);
      if (n > best[2]) best = [i - n + 1, j - n + 1, n];
    }
    lengths = now;
  }
  return best;
}

function commonRuns(a, b) {
  const places = new Map(), found = [], waiting = [[0, a.length, 0, b.length]];
  b.forEach((piece, j) => places.has(piece) ? places.get(piece).push(j) : places.set(piece, [j]));
  while (waiting.length) {
    const [low, high, from, to] = waiting.pop(), [i, j, n] = longestRun(a, places, [low, high, from, to]);
    if (!n) continue;
    found.push([i, j, n]);
    waiting.push([low, i, from, j], [i + n, high, j + n, to]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}

// For each text its pieces in order, as [piece, whether it is in this text alone].
export function differences(before, after) {
  const a = before.match(PIECES) ?? [], b = after.match(PIECES) ?? [], was = [], now = [];
  let i = 0, j = 0, same = 0;   // where the common run under way began, and how long it is
  const add = (out, pieces, changed) => { if (pieces.length) out.push([pieces.join(''), changed]); };
  for (const [at, to, n] of [...commonRuns(a, b), [a.length, b.length, 0]]) {
    if (n && at === i + same && to === j + same) { same += n; continue; }   // runs that touch are one
    for (const [out, pieces, from, until] of [[was, a, i, at], [now, b, j, to]]) {
      add(out, pieces.slice(from, from + same), false);
      add(out, pieces.slice(from + same, until), true);
    }
    [i, j, same] = [at, to, n];
  }
  return [was, now];
}
