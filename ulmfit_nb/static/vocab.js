// The words that a model knows, and text from them again: ulmfit_nb/tokenization.py's Vocab in the page.
import { fromPython } from './tokenizer.js';

const CAPITALS = {
  xxup: word => word.toUpperCase(),
  xxmaj: word => { const [first = '', ...rest] = word.toUpperCase(); return first + rest.join('').toLowerCase(); },
};
const SILENT = new Set(['xxbos', 'xxeos', 'xxpad', 'xxfake']);
export const SPECIAL = ['xxunk', 'xxpad', 'xxbos', 'xxeos', 'xxfld', 'xxrep', 'xxwrep', 'xxup', 'xxmaj'];
const LETTERS = /^\p{L}+$/u, DIGITS = /^\p{Nd}+$/u, BLANK = fromPython('^\\s+$', 'u'), ENDS = fromPython('^\\s+|\\s+$');
const CLOSE = /^([.,;:!?%)\]}…]+|n't|['’][a-z]+|[-/])$/iu;

// The word that comes next, in the capitals that the marks before it ask for.
function capitals(token, rest) {
  let change = word => word;
  while (Object.hasOwn(CAPITALS, token)) { change = CAPITALS[token]; token = rest.shift() ?? ''; }
  return change(token);
}

const sameKind = (a, b) => [LETTERS, DIGITS].some(kind => kind.test([...a].at(-1) ?? '') && kind.test(b));

// Words from tokens: marks carried out, a new field on a new line.
export function undoMarks(tokens) {
  const out = [], rest = tokens.filter(t => !SILENT.has(t));
  while (rest.length) {
    const token = rest.shift();
    if (token === 'xxfld') { rest.shift(); out.push('\n'); }
    else if (token === 'xxrep' || token === 'xxwrep') {
      const count = rest.shift() ?? '', word = capitals(rest.shift() ?? '', rest), n = DIGITS.test(count) ? Math.min(Number(count.slice(0, 6)), 1000) : 1;
      if (token === 'xxwrep' || SPECIAL.includes(word)) out.push(...Array(token === 'xxwrep' ? n : 1).fill(word));
      else if (out.length && sameKind(out.at(-1), word)) out.push(out.pop() + word.repeat(n));
      else out.push(word.repeat(n));
    } else out.push(capitals(token, rest));
  }
  return out.filter(Boolean).map(t => t === 'i' ? 'I' : t);
}

// Readable text from tokens, with blanks set by the habits of English.
export function joinTokens(tokens) {
  let text = '', quoted = false, glue = true;   // glue: no blank before the next word
  for (const word of undoMarks(tokens)) {
    const space = word.replaceAll('▁', ' ');
    if (BLANK.test(space)) {
      text = text.replace(/ +$/, '') + space;
      glue = true;
      quoted = false;
      continue;
    }
    text += glue || word === '"' && quoted || CLOSE.test(word) ? word : ` ${word}`;
    glue = ['(', '[', '{', '$', '-', '/'].includes(word) || word === '"' && !quoted;
    if (word === '"') quoted = !quoted;
  }
  return text.replace(ENDS, '');
}

export class Vocab {
  constructor(words) {   // in the order of their ids
    this.words = words;
    this.index = new Map([...words.entries()].reverse().filter(([, word]) => word !== 'xxfake').map(([i, word]) => [word, i]));
    this.unk = this.index.get('xxunk') ?? 0;
    this.fillers = words.length - 1 - words.findLastIndex(word => word !== 'xxfake');   // they stand at the end
  }

  // Ids of tokens; a word that is not known gets that of xxunk.
  ids(tokens) {
    return tokens.map(t => this.index.get(t) ?? this.unk);
  }

  // Readable text from ids.
  decode(ids) {
    return joinTokens(ids.map(i => this.words[i]));
  }
}
