"""What is wrong with a rendered site: links and anchors that lead nowhere or are not made, addresses of memory, pictures without a text, files that are missing
or come from elsewhere, widgets without a twin for browsers that run no scripts. Prints each, and fails if there is one: python site/check_site.py _docs"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ELSEWHERE = re.compile(r'[a-z]+:|//')
VERBATIM = {'annotation', 'code', 'kbd', 'pre', 'samp', 'script', 'style', 'textarea'}


class Page(HTMLParser):
    "What a page refers to."

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.pictures, self.files, self.raw, self.within = set(), [], [], [], [], []
        self.feed(text)

    def handle_data(self, data):
        if VERBATIM & set(self.within):
            return
        self.raw += re.findall(r'\S*\]\([\w./#]\S*', data)

    def handle_endtag(self, tag):
        if tag in self.within:
            while self.within.pop() != tag:
                pass

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        self.within.append(tag)  # one that is never closed goes with what it stands in
        self.ids.add(at.get('id'))
        if tag == 'a' and at.get('href'):
            self.links.append(at['href'])
        if tag == 'img':
            self.pictures.append((at.get('src') or '', at.get('alt') or ''))
        if tag in ('script', 'img', 'iframe') and at.get('src'):
            self.files.append(at['src'])
        if tag == 'link' and at.get('rel') in ('stylesheet', 'icon', 'preload') and at.get('href'):
            self.files.append(at['href'])


def twinless(text: str) -> list[str]:
    "The widgets of a page for which nothing stands where scripts don't run: a picture with a text, or a question with its answer."
    faults = []
    for name in re.findall(r'<div class="static-widget" id="([^"]+)"', text):
        found = re.search(rf'<noscript id="{name}-still">(.*?)</noscript>', text, re.S)
        twin = found[1] if found else ''
        if not re.search(r'<img [^>]*alt="[^"]{20,}"|<ul>.*<details>', twin, re.S):
            faults.append(f'the widget {name} has no twin')
    return faults


def target(page: Path, site: Path, link: str) -> Path:
    "The file that a link leads to."
    path = unquote(link.partition('?')[0])
    there = site / path.lstrip('/') if path.startswith('/') else page.parent / path
    return (there / 'index.html' if there.is_dir() else there).resolve() if path else page


def faults(site: Path) -> list[str]:
    "All that is wrong, a line each."
    site, found = site.resolve(), []
    texts = {p.resolve(): p.read_text(encoding='utf-8') for p in sorted(site.rglob('*.html'))}
    pages = {p: Page(text) for p, text in texts.items()}
    for path, page in pages.items():
        here = path.relative_to(site)
        for link in sorted(set(page.links)):
            if ELSEWHERE.match(link):
                continue
            to, _, anchor = link.partition('#')
            there = target(path, site, to)
            if not there.exists():
                found.append(f'{here}: a link to {link}')
            elif anchor and there in pages and unquote(anchor) not in pages[there].ids:
                found.append(f'{here}: no anchor for {link}')
        found += [f'{here}: no text for the picture {src[:60]}' for src, alt in page.pictures if len(alt.split()) < 4]
        for file in page.files:
            if file.startswith('data:'):
                continue
            if ELSEWHERE.match(file):
                found.append(f'{here}: needs {file} from elsewhere')
            elif not target(path, site, file).exists():
                found.append(f'{here}: {file} is missing')
        found += [f'{here}: {text[:60]} as it stands in the source' for text in page.raw]
        found += [f'{here}: a value by its address in memory'] * bool(re.search(r'\b0x[\da-f]{12}\b', texts[path]))
        found += [f'{here}: {fault}' for fault in twinless(texts[path])]
    return found


if __name__ == '__main__':
    wrong = faults(Path(sys.argv[1]))
    print('\n'.join(wrong) or 'Every link, anchor, picture and widget of the site is in order.')
    sys.exit(bool(wrong))
