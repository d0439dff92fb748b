package memfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Crash halts the machine and returns its disk after a power cut, as rng would have it. Where rng is nil nothing is lost
// that was written: the kill of a process.
func (f *FS) Crash(rng *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
	c := New()
	c.Size, c.CopyOnWrite = f.Size, f.CopyOnWrite
	images := map[*inode]*inode{}
	image := func(in *inode) *inode {
		if images[in] == nil {
			data := slices.Clone(in.data)
			if rng != nil {
				data = in.crash(rng)
			}
			images[in] = &inode{data: data, safe: slices.Clone(data)}
			if rng == nil { // still in the page cache, not on the disk
				images[in].safe = slices.Clone(in.safe)
				images[in].dirty = slices.Clone(in.dirty)
			}
		}
		return images[in]
	}
	for _, name := range slices.Sorted(maps.Keys(f.dirs)) { // in order, so that a seed repeats
		d := f.dirs[name]
		names := maps.Clone(d.now)
		if rng != nil {
			names = d.crash(rng)
		}
		n := &dir{now: map[string]*inode{}, safe: map[string]*inode{}}
		for _, base := range slices.Sorted(maps.Keys(names)) {
			n.now[base] = image(names[base])
		}
		n.safe = maps.Clone(n.now)
		if rng == nil {
			n.safe = map[string]*inode{}
			for base, in := range d.safe {
				n.safe[base] = image(in)
			}
			for _, op := range d.ops {
				if op.add != nil {
					op.add = image(op.add)
				}
				n.ops = append(n.ops, op)
			}
		}
		c.dirs[name] = n
	}
	return c
}

// keep returns a function that tells of one piece whether it reached the disk: none does, all do, or a share of them.
func keep(rng *rand.Rand) func() bool {
	p := []float64{0, 1, 0.9, 0.5, 0.1}[rng.IntN(5)]
	return func() bool { return rng.Float64() < p }
}

func (d *dir) crash(rng *rand.Rand) map[string]*inode {
	names := maps.Clone(d.safe)
	kept := keep(rng)
	for _, op := range d.ops {
		if !kept() {
			continue
		}
		if op.from != "" {
			delete(names, op.from)
		}
		if op.add != nil {
			names[op.to] = op.add
		}
	}
	return names
}

func (in *inode) crash(rng *rand.Rand) []byte {
	img := slices.Clone(in.safe)
	kept := keep(rng)
	for _, w := range in.dirty {
		if w.data == nil {
			if kept() {
				img = w.apply(img)
			}
			continue
		}
		for at := int64(0); at < int64(len(w.data)); {
			n := min(sector-(w.off+at)%sector, int64(len(w.data))-at)
			part := w.data[at : at+n]
			switch {
			case kept():
				img = put(img, w.off+at, part)
			case rng.IntN(64) == 0: // the cut came while the head was on it
				garbage := make([]byte, n)
				for i := range garbage {
					garbage[i] = byte(rng.Uint32())
				}
				img = put(img, w.off+at, garbage)
			}
			at += n
		}
	}
	return img
}

// Edit changes a file's contents where they are, behind everybody's back: a bit that flipped on the disk.
func (f *FS) Edit(name string, edit func(data []byte)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.dir("edit", name)
	if err != nil || d.now[base] == nil {
		panic("memfs: edit of " + name + ", which is not there")
	}
	in := d.now[base]
	edit(in.data)
	in.safe, in.dirty = slices.Clone(in.data), nil
}

// Clone returns a copy of the disk as programs see it, all of it durable, that is not down and has no locks.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := New()
	c.Size, c.CopyOnWrite = f.Size, f.CopyOnWrite
	for name, d := range f.dirs {
		n := &dir{now: map[string]*inode{}}
		for base, in := range d.now {
			n.now[base] = &inode{data: slices.Clone(in.data), safe: slices.Clone(in.data)}
		}
		n.safe = maps.Clone(n.now)
		c.dirs[name] = n
	}
	return c
}
