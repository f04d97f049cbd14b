// A question to commit to: radio buttons, a button, and the answer once a choice has been made.

const MARKS = [['**', 'b'], ['*', 'i'], ['`', 'code']];

// Text with **, * and backticks as elements; nothing in it is read as HTML.
export function rich(parent, text) {
  const at = MARKS.map(([mark, tag]) => {
    const start = text.indexOf(mark), end = start < 0 ? -1 : text.indexOf(mark, start + mark.length);
    return { mark, tag, start, end };
  }).filter(m => m.end > 0).sort((a, b) => a.start - b.start || b.mark.length - a.mark.length)[0];
  if (!at) return void parent.append(text);
  parent.append(text.slice(0, at.start));
  const node = document.createElement(at.tag), inner = text.slice(at.start + at.mark.length, at.end);
  if (at.tag === 'code') node.textContent = inner; else rich(node, inner);
  parent.append(node);
  rich(parent, text.slice(at.end + at.mark.length));
}

function make(parent, tag, attrs = {}, text = '') {
  const node = Object.assign(document.createElement(tag), attrs);
  rich(node, text);
  parent.append(node);
  return node;
}

let count = 0;   // each question's radio buttons need a group name of their own

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  const group = `predict-${count++}-${Math.random().toString(36).slice(2)}`;
  let committed = false;
  const draw = () => {
    const chosen = model.get('chosen'), right = model.get('right');
    const form = Object.assign(document.createElement('form'), { className: 'predict' });
    const set = make(form, 'fieldset');
    make(set, 'legend', {}, model.get('question'));
    model.get('choices').forEach((text, i) => {
      const label = make(set, 'label', { className: chosen < 0 ? '' : i === right ? 'right' : i === chosen ? 'wrong' : 'other' });
      make(label, 'input', { type: 'radio', name: group, value: i, checked: i === chosen, disabled: chosen >= 0, required: true })
        .setAttribute('data-lm-suppress-shortcuts', 'true');   // JupyterLab would take the arrow keys
      rich(label, text);
    });
    if (chosen < 0) make(set, 'button', { type: 'submit' }, 'Commit');
    else {
      const answer = make(set, 'div', { className: 'answer' });
      answer.setAttribute('role', 'status');
      answer.tabIndex = -1;   // it gets the focus that the button had
      make(answer, 'b', {}, chosen === right ? 'As you said. ' : `It is: ${model.get('choices')[right]}. `);
      rich(answer, model.get('why'));
    }
    form.onsubmit = event => {
      event.preventDefault();
      const picked = form.querySelector('input:checked');
      if (!picked) return;
      committed = true;
      model.set('chosen', Number(picked.value));
      model.save_changes();
    };
    host.replaceChildren(form);
    if (committed) form.querySelector('.answer')?.focus();
    committed = false;
  };
  model.on('change', draw);
  draw();
  return () => model.off('change', draw);
}

export default { render };
