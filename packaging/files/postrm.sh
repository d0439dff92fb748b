#!/bin/sh
# Positions and queued events outlive the package, until somebody deletes them.
set -e
if [ "$1" = purge ] && [ -d /var/lib/goflume ] && ! rmdir /var/lib/goflume 2>/dev/null; then
	echo "goflume: /var/lib/goflume is kept: it may hold events that were not delivered" >&2
fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
