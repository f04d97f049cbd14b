#!/usr/bin/env bash
# A browser for test_browser.py: Debian's chromium where we may install it, else playwright's own. Says plainly if neither could be had.
set -u
python=${1:?the environment\'s python}
[ -x /usr/bin/chromium ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  (apt-get update && apt-get install -y --no-install-recommends chromium) >/dev/null 2>&1 && exit 0
fi
"$python" -m playwright install chromium >/dev/null 2>&1 && exit 0
echo "No browser could be installed: test_browser.py can't run (under CI=true it fails)." >&2
