"Build the package from settings.ini, the one source of its metadata."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_namespace_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here / 'settings.ini', encoding='utf-8')
s = config['DEFAULT']


def lines(key):
    return [line for line in s[key].splitlines() if line.strip()]


setup(
    name=s['dist_name'],
    version=s['version'],
    description=s['description'],
    keywords=s['keywords'].split(', '),
    classifiers=[f'Programming Language :: Python :: {version}' for version in s['python_versions'].split()],
    author=s['author'],
    license=s['license'],
    python_requires=f'>={s["min_python"]}',
    long_description=(here / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    packages=find_namespace_packages(include=['ulmfit_nb', 'ulmfit_nb.*']),  # folders of data too: setuptools takes any folder for a package
    include_package_data=True,  # what MANIFEST.in names
    install_requires=lines('requirements'),
    extras_require={name: lines(f'{name}_requirements') for name in ('dev', 'excel', 'onnx', 'ray', 'serve', 'study')},
    entry_points={'console_scripts': lines('console_scripts'), 'nbdev': ['ulmfit_nb = ulmfit_nb._modidx:d']},
)
