#!/bin/sh
# The user comes before the files that belong to its group.
set -e
if ! getent group goflume >/dev/null || ! getent passwd goflume >/dev/null; then
	if command -v systemd-sysusers >/dev/null; then
		echo 'u goflume - "goflume agents" /var/lib/goflume' | systemd-sysusers --replace=/usr/lib/sysusers.d/goflume.conf -
	else
		getent group goflume >/dev/null || groupadd --system goflume
		useradd --system --gid goflume --home-dir /var/lib/goflume --no-create-home --shell /usr/sbin/nologin --comment 'goflume agents' goflume
	fi
fi
