#!/bin/sh
# No agent is started: there is no configuration yet. Those that run go on with the new program, if it accepts what they run.
set -e
chown goflume:goflume /var/lib/goflume # an agent that somebody ran as root may have made it
chmod 750 /var/lib/goflume
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
for unit in $(systemctl list-units --plain --no-legend --state=active 'goflume@*.service' | cut -d ' ' -f 1); do
	name=${unit#goflume@}
	name=$(systemd-escape --unescape -- "${name%.service}")
	if systemd-run --quiet --wait --collect -p User=goflume -p "Environment=HOME=/var/lib/goflume/$name" \
		-p EnvironmentFile=-/etc/goflume/goflume.env -p "EnvironmentFile=-/etc/goflume/$name.env" \
		/usr/bin/goflume validate --name "$name" "/etc/goflume/$name.conf" >/dev/null 2>&1; then
		systemctl restart "$unit" || echo "goflume: $unit did not start again: journalctl -u $unit" >&2
	else
		echo "goflume: $unit still runs the old program, because the new one refuses its configuration: goflume validate /etc/goflume/$name.conf" >&2
	fi
done
