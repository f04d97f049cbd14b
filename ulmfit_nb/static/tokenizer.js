// The tokenizer in the page: the eight rules of ulmfit_nb/tokenization.py, and spaCy's English tokenizer run from its own tables, which site/page_model.py
// writes. Patterns stand here as they stand in Python, so that the two can be compared by eye; `fromPython` makes JavaScript's of them.

const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000', WORD = '_\\p{L}\\p{N}';
const OUTSIDE = {
  s: `[${SPACE}]`, S: `[^${SPACE}]`, w: `[${WORD}]`, W: `[^${WORD}]`, d: '\\p{Nd}',
  b: `(?:(?<![${WORD}])(?=[${WORD}])|(?<=[${WORD}])(?![${WORD}]))`,
};
const INSIDE = { s: SPACE, w: WORD, d: '\\p{Nd}' };   // of a set in brackets

// A pattern of Python's for JavaScript: white space, letters and digits of all scripts, \U0001F600, and no escapes that JavaScript doesn't know.
export function fromPython(pattern, flags = 'gu') {
  let inside = false;
  const text = pattern.replace(/^\(\?u\)/, '').replace(/\\U([0-9A-Fa-f]{8})|\\([^U])|[[\]]/g, (found, point, escaped) => {
    if (point) return `\\u{${point.replace(/^0+/, '')}}`;
    if (!escaped) inside = found === '[';
    const kind = escaped && (inside ? INSIDE : OUTSIDE)[escaped];
    if (kind) return kind;
    return escaped && !/[\w^$\\.*+?()[\]{}|/-]/.test(escaped) || escaped === '-' && !inside ? escaped : found;
  });
  return new RegExp(text, flags);
}

const PATTERNS = {
  entity: fromPython('&(#[0-9]+|#[xX][0-9a-fA-F]+|\\w+);'),
  stump: fromPython('(?<!&)(#(?:39|146|36|34)|\\b(?:amp|quot|nbsp|lt|gt));'),
  break: fromPython('<br\\s*/?>', 'giu'),
  rep: fromPython('(\\S)\\1{2,}'),
  wrep: fromPython('(?:\\s|^)(\\w+)((?:\\s+\\1){2,})(?=\\W|$)'),
  spaces: fromPython('\\s+'),
  caps: fromPython('(?<!\\S)([A-Z][^a-z\\s]*)(?!\\S)'),
  maj: fromPython('(?<!\\S)([A-Z][^A-Z\\s]*)(?!\\S)'),
  ends: fromPython('^\\s+|\\s+$'),
  gap: fromPython('(\\s\\s+|^ |(?! )\\s)'),
};

// The character that an entity stands for, as Python's html.unescape has it; `tables` holds HTML's names, and the numbers that stand for something else.
function character(found, name, { entities, numbers }) {
  if (name === '#146') return "'";
  if (name[0] !== '#') return Object.hasOwn(entities, name) ? entities[name].replaceAll('\xa0', ' ') : found;
  const point = /^#x/i.test(name) ? parseInt(name.slice(2), 16) : Number(name.slice(1));
  if (Object.hasOwn(numbers, point)) return numbers[point].replaceAll('\xa0', ' ');
  return point > 0x10ffff || point >= 0xd800 && point <= 0xdfff ? '\ufffd' : String.fromCodePoint(point).replaceAll('\xa0', ' ');
}

function fixHtml(text, tables) {
  const meant = (found, name) => character(found, name, tables);
  text = text.replace(PATTERNS.entity, meant).replace(PATTERNS.entity, meant).replace(PATTERNS.stump, meant);
  text = text.replace(PATTERNS.break, '\n').replaceAll('\\n', '\n').replaceAll('\\"', '"');
  return text.replaceAll('<unk>', 'xxunk').replaceAll(' @.@ ', '.').replaceAll(' @-@ ', '-').replaceAll('...', ' …');
}

const small = mark => (_, word) => (word.length > 1 ? `${mark} ` : '') + word.toLowerCase();

// The eight rules, by the names that they have in Python, in order.
export const RULES = {
  fix_html: fixHtml,
  replace_rep: text => text.replace(PATTERNS.rep, (found, c) => ` xxrep ${[...found].length} ${c} `),
  replace_wrep: text => text.replace(PATTERNS.wrep, (_, word, more) => ` xxwrep ${more.match(PATTERNS.spaces).length + 1} ${word} `),
  spec_add_spaces: text => text.replace(/([/#\\])/g, ' $1 '),
  rm_useless_spaces: text => text.replace(/ {2,}/g, ' '),
  replace_all_caps: text => text.replace(PATTERNS.caps, small('xxup')),
  replace_maj: text => text.replace(PATTERNS.maj, small('xxmaj')),
  lowercase: text => `xxbos ${text.toLowerCase().replace(PATTERNS.ends, '')}`,
};

// Whole matches of spaCy's special cases in a list of tokens: the longest first, of equals the first; one that touches another is left out.
function specialSpans(tokens, patterns, longest) {
  const found = [], seen = new Set();
  for (let i = 0; i < tokens.length; i++) {
    for (let n = 1; n <= Math.min(longest, tokens.length - i); n++) if (patterns.has(tokens.slice(i, i + n).join(' '))) found.push([i, n]);
  }
  return found.sort(([i, n], [j, m]) => m - n || i - j).filter(([i, n]) => {
    const free = !seen.has(i) && !seen.has(i + n - 1);
    for (let k = i; k < i + n; k++) seen.add(k);
    return free;
  });
}

export class Tokenizer {
  constructor(tables) {   // what site/page_model.py wrote
    this.tables = tables;
    this.prefix = fromPython(tables.prefix, 'u');
    this.suffix = fromPython(tables.suffix, 'u');
    this.infix = fromPython(tables.infix);
    this.url = fromPython(tables.url, 'u');
    this.specials = new Map(tables.exceptions.map(parts => [parts.replaceAll(' ', ''), parts.split(' ')]));
    const touched = [...this.specials.keys()].filter(w => this.prefix.test(w) || this.suffix.test(w) || w.match(this.infix));
    this.patterns = new Set(touched.map(w => this.cut(w, new Map()).join(' ')));   // how an exception looks once its ends have been cut off
    this.longest = Math.max(...[...this.patterns].map(p => p.split(' ').length));
    this.memo = new Map();
  }

  // The text after each rule, as [name, text].
  rules(text) {
    return Object.entries(RULES).map(([name, rule]) => [name, text = rule(text, this.tables)]);
  }

  tokens(text) {
    return this.words(this.rules(text).at(-1)[1]);
  }

  // spaCy's tokens: a single blank between words is dropped; other white space is a token, ▁ for a blank.
  words(text) {
    const out = [];
    text.split(PATTERNS.gap).forEach((part, i) => {
      if (i % 2 === 0) for (const piece of part.split(' ')) out.push(...this.piece(piece));
      else {
        const space = out.length && part[0] === ' ' ? part.slice(1) : part;
        if (space) out.push(space.replaceAll(' ', '▁'));
      }
    });
    return out;
  }

  // Of a piece without white space; each is cut once.
  piece(piece) {
    if (!this.memo.has(piece)) this.memo.set(piece, piece ? this.join(this.cut(piece.replace(/\p{Cs}/gu, '?'), this.specials)) : []);
    return this.memo.get(piece);
  }

  // Prefixes and suffixes come off, one each at a time, until an exception is left, or nothing that could come off.
  cut(piece, specials) {
    const before = [], after = [];
    for (let last = 0; piece && piece.length !== last && !specials.has(piece);) {
      last = piece.length;
      const pre = this.prefix.exec(piece)?.[0].length ?? 0, rest = piece.slice(pre);
      if (pre && rest && specials.has(rest)) { before.push(piece.slice(0, pre)); piece = rest; break; }
      const suf = this.suffix.exec(rest)?.[0].length ?? 0, head = piece.slice(0, last - suf);
      if (suf && head && specials.has(head)) { after.unshift(piece.slice(last - suf)); piece = head; break; }
      if (pre) before.push(piece.slice(0, pre));
      if (suf && (!pre || pre + suf <= last)) { after.unshift(piece.slice(last - suf)); piece = head.slice(pre); } else piece = rest;
    }
    return [...before, ...specials.get(piece) ?? this.middle(piece), ...after];
  }

  // What is left between prefixes and suffixes: an address whole, all else cut at its infixes.
  middle(piece) {
    if (!piece || this.url.test(piece)) return piece ? [piece] : [];
    const out = [];
    let start = 0;
    for (const { 0: infix, index } of piece.matchAll(this.infix)) {
      if (index !== start) out.push(piece.slice(start, index));
      out.push(infix);
      start = index + infix.length;
    }
    return start < piece.length ? [...out, piece.slice(start)] : out;
  }

  // Exceptions that were cut up are put together again: `:` and `)` are one smiley.
  join(tokens) {
    const spans = new Map(specialSpans(tokens, this.patterns, this.longest)), out = [];
    for (let i = 0; i < tokens.length;) {
      const n = spans.get(i) ?? 1, whole = tokens.slice(i, i + n);
      out.push(...spans.has(i) ? this.specials.get(whole.join('')) ?? whole : whole);
      i += n;
    }
    return out;
  }
}
