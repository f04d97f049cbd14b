// JupyterLab shows a figure without an alternative text. This takes the text that the site takes, from the line `#| fig-alt:` of the cell that drew the figure.
// An extension for JupyterLab as it would come out of a build, written by hand: it needs nothing of JupyterLab but the application that it is handed.
(() => {
  const LINE = /^#\| *fig-alt: *(["']?)(.*)\1 *$/m;

  // The code of the cell that an element stands in.
  function sourceOf(app, element) {
    const cell = element.closest('.jp-CodeCell');
    for (const { content } of app.shell.widgets('main')) {
      const found = content?.widgets?.find(w => w.node === cell);
      if (found) return found.model.sharedModel.getSource();
    }
    return '';
  }

  function activate(app) {
    const look = () => {
      for (const image of document.querySelectorAll('.jp-CodeCell .jp-RenderedImage img:not([alt])')) {
        const told = sourceOf(app, image).match(LINE);
        if (told) image.alt = told[2];
      }
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    look();
  }

  const plugin = { id: 'ulmfit-nb:alt', description: 'The alternative texts of figures.', autoStart: true, activate };
  (window._JUPYTERLAB ??= {})['ulmfit-nb'] = { init() {}, get: async () => () => ({ __esModule: true, default: plugin }) };
})();
