package file

import (
	"context"
	"encoding/binary"
	"errors"
)

// A scan reads a segment that the checkpoint does not describe to its end. Where bytes are no frame it has to tell a torn
// tail, which nobody was promised, from damage: every frame carries how far its segment was durable when it was written,
// and the lane's next segment says where this one ended.

// found is what scans saw.
type found struct {
	puts, acks          spans
	putBytes, ackBytes  int64
	tornTails, damaged  int
	lostFrom, lostUpTo  []uint64 // numbers of a lane between the frames around a damaged span
	seals               []sealIndex
	lastSeq             uint64 // behind the last event seen in this lane
	pendingLoss         bool   // damage was passed and no event seen since in this lane
	chain               []chained
	rewrite             []tail
	frames, framesOfAck int
}

// chained is a frame of a transaction whose last frame was not seen yet.
type chained struct {
	h   header
	off int64
}

// tail is a part of a segment that was found whole, but that nobody knows to be on stable storage: the page cache may
// hold what a failed sync left behind.
type tail struct {
	seg      *segment
	from, to int64
}

// linkOf returns what the segment's first frame says of the lane's segment before it.
func linkOf(s *segment) (prev uint64, end int64, ok bool) {
	r := s.reader()
	h, p, err := r.at(pageSize, s.size)
	if err != nil || h.typ != frameLink || len(p) != 16 {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(p), int64(binary.LittleEndian.Uint64(p[8:])), true
}

// firstFrame returns the header of the first valid frame, if the segment was ever written to.
func firstFrame(s *segment) (header, bool, error) {
	r := s.reader()
	h, _, err := r.at(pageSize, s.size)
	if err == nil || !errors.Is(err, errBad) {
		return h, err == nil, err
	}
	off, ok, err := r.find(pageSize, s.size)
	if err != nil || !ok {
		return header{}, false, err
	}
	h, _, err = r.at(off, s.size)
	return h, err == nil, err
}

// laterPromise returns the highest promise among the frames behind off.
func laterPromise(r *frameReader, off, limit int64) (int64, error) {
	var most int64
	for {
		next, ok, err := r.find(off, limit)
		if err != nil || !ok {
			return most, err
		}
		for off = next; ; {
			h, _, err := r.at(off, limit)
			if errors.Is(err, errBad) {
				break
			}
			if err != nil {
				return 0, err
			}
			most = max(most, h.promise)
			off += h.length()
		}
	}
}

// scan reads s from off and sets its end. known is where the segment ends for certain, or -1.
func (c *Channel) scan(ctx context.Context, f *found, s *segment, off, known int64) error {
	promise, limit := off, s.size
	if known >= 0 {
		promise, limit = known, known
	}
	r := s.reader()
	for off+headerSize <= limit {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		promise = max(promise, min(c.damaged[pos{s.id, off}], limit))
		h, payload, err := r.known(c.damaged, off, limit)
		if errors.Is(err, errBad) {
			if off >= promise {
				later, err := laterPromise(&r, off, limit)
				if err != nil {
					return err
				}
				if later <= off {
					f.countTorn(&r, s, off, limit)
					break
				}
				promise = later
			}
			if off, err = c.skipDamage(s, &r, off, promise); err != nil {
				return err
			}
			f.damaged++
			f.flushChain(s)
			f.pendingLoss = true
			f.lostFrom = append(f.lostFrom, f.lastSeq)
			continue
		}
		if err != nil {
			return err
		}
		if h.typ == frameSeal {
			promise = off
			break
		}
		promise = max(promise, h.promise)
		f.see(s, &h, payload, off)
		off += h.length()
	}
	if known > off {
		off = known // what is missing there was counted as damage, or is less than a frame
	}
	if len(f.chain) > 0 && f.chain[0].off >= promise {
		off = f.chain[0].off // a transaction cut short
		f.chain = nil
		f.tornTails++
	}
	f.flushChain(s)
	s.end = off
	if off > promise {
		f.rewrite = append(f.rewrite, tail{s, promise, off})
	}
	return nil
}

// countTorn counts what lies behind the last frame, if it is more than the end of the log.
func (f *found) countTorn(r *frameReader, s *segment, off, limit int64) {
	b, err := r.load(off, headerSize, limit)
	if err == nil && len(b) == headerSize && binary.LittleEndian.Uint64(b[16:]) == s.id {
		f.tornTails++
	}
}

// see notes a frame.
func (f *found) see(s *segment, h *header, payload []byte, off int64) {
	switch h.typ {
	case framePut:
		f.frames++
		if f.pendingLoss {
			f.pendingLoss = false
			f.lostUpTo = append(f.lostUpTo, h.seq)
			for len(f.lostUpTo) < len(f.lostFrom) {
				f.lostUpTo = append(f.lostUpTo, h.seq)
			}
		}
		f.chain = append(f.chain, chained{*h, off})
		if h.flags&flagContinues == 0 {
			f.flushChain(s)
		}
	case frameAck:
		f.framesOfAck++
		d := decoder{b: payload}
		f.acks.addAll(d.spans())
		f.ackBytes += h.bytes
	}
}

// flushChain accepts the frames seen of a transaction.
func (f *found) flushChain(s *segment) {
	for i := range f.chain {
		h := &f.chain[i].h
		end := h.seq + uint64(h.count)
		f.puts.add(h.seq, end)
		f.putBytes += h.bytes
		s.addPutLocked(h.seq, end, h.bytes)
		f.lastSeq = end
	}
	f.chain = f.chain[:0]
}

// endLane closes the books of a lane: a span that was damaged at its end lost what was given out by then.
func (f *found) endLane(next uint64) {
	for len(f.lostUpTo) < len(f.lostFrom) {
		f.lostUpTo = append(f.lostUpTo, next)
	}
	f.pendingLoss, f.lastSeq, f.chain = false, 0, nil
}

// lost returns how many of the numbers in holes belonged to events in damaged spans.
func (f *found) lost(holes spans) int {
	var in spans
	for i := range f.lostFrom {
		in.add(f.lostFrom[i], f.lostUpTo[i])
	}
	n := holes.count()
	for _, h := range holes {
		n -= in.without(h.from, h.to).count()
	}
	return int(n)
}
