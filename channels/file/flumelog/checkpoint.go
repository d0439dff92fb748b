package flumelog

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"

	"goflume/internal/vfs"
)

// On disk: slots of 8 bytes in Flume's checkpoint (EventQueueBackingStoreFile).
const (
	slotVersion = 0
	slotOrder   = 1
	slotSize    = 2 // version 2 alone
	slotHead    = 3
	slotMarker  = 4
	slotQueue   = 1029

	maxCheckpoint = 1 << 33
)

// checkpoint is what a whole checkpoint of Flume's says: the puts that were queued or being taken, and the write order up
// to which it knows the log.
type checkpoint struct {
	order int64
	queue []Pointer
}

// readCheckpoint returns nil where there is no checkpoint, or none that is whole.
func readCheckpoint(fsys vfs.FS, dir string) (*checkpoint, error) {
	b, err := vfs.ReadFile(fsys, filepath.Join(dir, "checkpoint"), maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) < 8*(slotQueue+1) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slot := func(i int64) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	capacity := int64(len(b)/8 - slotQueue)
	k := &checkpoint{order: slot(slotOrder)}
	var size, head int64
	switch slot(slotVersion) {
	case 2:
		size, head = slot(slotSize), slot(slotHead)
	case 3:
		meta, err := vfs.ReadFile(fsys, filepath.Join(dir, "checkpoint.meta"), 1<<20)
		m, _, ok := delimited(meta)
		if err != nil || !ok {
			return nil, nil
		}
		for m.next() {
			switch m.field {
			case 2:
				if m.num != k.order {
					return nil, nil
				}
			case 3:
				size = m.num
			case 4:
				head = m.num
			}
		}
		if m.bad {
			return nil, nil
		}
	default:
		return nil, nil
	}
	if slot(slotMarker) != 0 || size < 0 || size > capacity || head < 0 || head >= capacity {
		return nil, nil
	}
	for i := range size {
		if p := Pointer(slot(slotQueue + (head+i)%capacity)); p != 0 {
			k.queue = append(k.queue, p)
		}
	}
	k.queue = append(k.queue, inflight(fsys, filepath.Join(dir, "inflighttakes"))...)
	return k, nil
}

// inflight reads the pointers of an inflight file: after 16 bytes of MD5, per transaction its id, a count and the pointers.
func inflight(fsys vfs.FS, name string) (out []Pointer) {
	b, err := vfs.ReadFile(fsys, name, 1<<30)
	if err != nil || len(b) < 16 {
		return nil
	}
	for b = b[16:]; len(b) >= 16; {
		n := binary.BigEndian.Uint64(b[8:])
		b = b[16:]
		if n > uint64(len(b)/8) {
			return out
		}
		for range n {
			out = append(out, Pointer(binary.BigEndian.Uint64(b)))
			b = b[8:]
		}
	}
	return out
}
