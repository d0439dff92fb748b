// Command packaging makes what is released: for each architecture of Linux a static binary, a tarball, deb and rpm packages,
// the root folder of a container image, a bill of materials, and the checksums of them all.
//
// The same commit gives the same bytes, wherever and whenever it is built: every time in it is the commit's, and no path
// of the machine gets into it.
//
//	packaging -root .. -out ../dist
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	fs := flag.NewFlagSet("packaging", flag.ContinueOnError)
	root := fs.String("root", "..", "the `folder` of the product's module")
	out := fs.String("out", "../dist", "the `folder` to write, which is emptied first")
	arches := fs.String("arch", "amd64,arm64", "architectures")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected word %q", fs.Arg(0))
	}
	r, err := newRelease(*root, *out)
	if err != nil {
		return err
	}
	return r.make(strings.Split(*arches, ","))
}

// make writes everything for the architectures.
func (r *release) make(arches []string) error {
	for _, dir := range []string{r.out, r.work} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	defer os.RemoveAll(r.work)
	for _, arch := range arches {
		if err := r.build(arch); err != nil {
			return err
		}
	}
	if err := r.texts(); err != nil {
		return err
	}
	for _, arch := range arches {
		binary := r.binary(arch)
		bill, err := r.bill(binary, arch)
		if err != nil {
			return err
		}
		if err := r.thirdParty(bill); err != nil {
			return err
		}
		for _, step := range []func(arch, binary string) error{r.tarball, r.packages, r.image} {
			if err := step(arch, binary); err != nil {
				return err
			}
		}
		if err := r.writeBill(bill, arch); err != nil {
			return err
		}
	}
	if err := r.copyFile(filepath.Join(r.root, "packaging", "Dockerfile"), filepath.Join(r.out, "docker", "Dockerfile"), 0o644); err != nil {
		return err
	}
	return r.checksums()
}
