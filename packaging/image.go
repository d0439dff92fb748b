package main

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// imageUser is the user and group in the container, the number that images without a distribution have for it.
const imageUser = 65532

// image writes docker/rootfs-ARCH.tar.gz, which is all that the Dockerfile puts into the image.
func (r *release) image(arch, binary string) error {
	roots := filepath.Join(r.work, "ca-certificates.crt")
	passwd := filepath.Join(r.work, "passwd")
	group := filepath.Join(r.work, "group")
	for name, text := range map[string][]byte{
		roots:  rootCertificates(),
		passwd: []byte("root:x:0:0:root:/:/usr/sbin/nologin\ngoflume:x:65532:65532:goflume agents:/var/lib/goflume:/usr/sbin/nologin\n"),
		group:  []byte("root:x:0:\ngoflume:x:65532:\n"),
	} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return writeTar(filepath.Join(r.out, "docker", "rootfs-"+arch+".tar.gz"), r.time, func(w *tarWriter) error {
		for _, f := range []file{
			{from: binary, to: "usr/bin/goflume", mode: 0o755},
			{from: "goflume", to: "usr/bin/flume-ng", kind: symlink},
			{from: roots, to: "etc/ssl/certs/ca-certificates.crt", mode: 0o644},
			{from: passwd, to: "etc/passwd", mode: 0o644},
			{from: group, to: "etc/group", mode: 0o644},
			{from: filepath.Join(r.root, "LICENSE"), to: "usr/share/doc/goflume/LICENSE", mode: 0o644},
			{from: filepath.Join(r.work, "THIRD-PARTY.txt"), to: "usr/share/doc/goflume/THIRD-PARTY.txt", mode: 0o644},
			{to: "tmp", kind: dir, mode: 0o1777},
		} {
			if err := w.add(f, 0, 0); err != nil {
				return err
			}
		}
		for _, name := range []string{"etc/goflume", "var/lib/goflume", "run/goflume"} {
			if err := w.add(file{to: name, kind: dir, mode: 0o750}, imageUser, imageUser); err != nil {
				return err
			}
		}
		return nil
	})
}

// rootCertificates are those of Mozilla's list that hold without a condition, in PEM.
func rootCertificates() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
		}
	}
	return b.Bytes()
}
