"What is had of a model in the cache of the hub, by three names of its revision; what isn't there is named."

import sys

from ulmfit_nb.hub import download_model
from ulmfit_nb.stages import StageError, load_lm

commit, another = sys.argv[1:]
print([len(load_lm(download_model('owner/name', r))[1]) for r in (None, 'main', commit)])
for name, revision in (('owner/other', None), ('owner/name', another)):
    try:
        download_model(name, revision)
    except StageError as e:
        print(e)
